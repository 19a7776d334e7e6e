"""Draws the figures of a run one by one: one that fails costs itself alone."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from irg_experiments.files import written_whole

log = logging.getLogger(__name__)


class Figure(NamedTuple):
    """A picture of a run.

    Attributes:
        name: of its file, without a suffix.
        draw: writes it to a path.
    """

    name: str
    draw: Callable[[Path], object]


def draw(directory: Path, figures: Iterable[Figure], again: bool = False) -> list[Path]:
    """Draws into ``figures/`` what is not there yet, or all of them again; returns the paths of all that are there.

    Whatever goes wrong, from an unwritable folder to a number that cannot be drawn, is one line of log.
    """
    folder, paths = directory / "figures", []
    for figure in until_an_error(figures, str(directory)):
        path = folder / f"{figure.name}.png"
        try:
            if again or not path.exists():
                folder.mkdir(exist_ok=True)
                with written_whole(path, f".{os.getpid()}.tmp.png") as temporary:
                    figure.draw(temporary)
        except Exception as error:  # a picture is never worth a run
            log.warning(
                "%s could not be drawn (%s: %s). irg-report --figures draws it again.", path, type(error).__name__, error
            )
            continue
        paths.append(path)
    return paths


def until_an_error(figures: Iterable[Figure], place: str) -> Iterator[Figure]:
    """The figures up to the first that cannot even be begun, which is one line of log."""
    try:
        yield from figures
    except Exception as error:  # files of the run that are missing or damaged
        log.warning("The other figures of %s could not be drawn (%s: %s).", place, type(error).__name__, error)
