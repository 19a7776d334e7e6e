"""Draws the figures of a run one by one: one that fails costs itself alone."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)


class Drawable(Protocol):
    """A picture: see ``irg_experiments.experiments.protocol.Figure``."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def draw(self) -> Callable[[Path], object]: ...  # noqa: D102


def draw(directory: Path, figures: Iterable[Drawable], again: bool = False) -> list[Path]:
    """Draws into ``figures/`` what is not there yet, or all of them again; returns the paths of all that are there.

    Whatever goes wrong, from an unwritable folder to a number that cannot be drawn, is one line of log.
    """
    folder, paths = directory / "figures", []
    for figure in _until_an_error(figures, directory):
        path = folder / f"{figure.name}.png"
        try:
            if again or not path.exists():
                folder.mkdir(exist_ok=True)
                figure.draw(path)
        except Exception as error:  # a picture is never worth a run
            with contextlib.suppress(OSError):
                path.unlink()
            log.warning(
                "%s could not be drawn (%s: %s). irg-report --figures draws it again.", path, type(error).__name__, error
            )
            continue
        paths.append(path)
    return paths


def _until_an_error(figures: Iterable[Drawable], directory: Path) -> Iterator[Drawable]:
    try:
        yield from figures
    except Exception as error:  # files of the run that are missing or damaged
        log.warning("The other figures of %s could not be drawn (%s: %s).", directory, type(error).__name__, error)
