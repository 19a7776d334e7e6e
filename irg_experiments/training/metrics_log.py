"""The metrics of a run over time, as JSON lines and as TensorBoard scalars."""

import contextlib
import json
import logging
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irg_experiments.files import write_text
from irg_experiments.training.files import set_aside, writing

log = logging.getLogger(__name__)

# of every line that is written
_BEGINNING = '{"step": '


class MetricsLog:
    """Appends metrics to ``metrics.jsonl`` and to ``tensorboard/`` in a run directory.

    Args:
        directory: the run directory.
        resume_step: rows of later steps are dropped, because the run computes them again.

    What is no row of metrics is named in the log, and the file that has it moved to ``metrics.jsonl.damaged``.

    Raises:
        UserError: ``metrics.jsonl`` cannot be written.
    """

    def __init__(self, directory: Path, resume_step: int) -> None:
        self._path = directory / "metrics.jsonl"
        kept = [row for row in read_metrics(self._path) if row["step"] <= resume_step]
        if (damage := _damage(self._path)) is not None:
            aside = set_aside(self._path, ".damaged")
            log.warning("%s has %s. It was moved to %s; %d rows of it are kept.", self._path, damage, aside.name, len(kept))
        with writing(self._path):
            write_text(self._path, "".join(map(_json_line, kept)))
            self._file = self._path.open("a", buffering=1, encoding="utf-8")
        self._tensorboard = _TensorBoard(directory / "tensorboard", resume_step)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Logs the metrics after a step. JSON has no NaN and no infinity: they are written as null, and named in the log.

        Raises:
            UserError: ``metrics.jsonl`` cannot be written.
        """
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        for name, value in metrics.items():
            if finite[name] is None:
                log.warning("%s is %s at step %d: recorded as null.", name, value, step)
        with writing(self._path):
            self._file.write(_json_line({"step": step, **finite}))
        self._tensorboard.write(step, metrics)

    def close(self) -> None:
        """Closes the files."""
        # every line was written by write(); only one that failed there, and raised, can be pending
        with contextlib.suppress(OSError):
            self._file.close()
        self._tensorboard.close()


class _TensorBoard:
    """TensorBoard scalars. An error in writing them ends the scalars, with one line in the log, and not the run."""

    def __init__(self, directory: Path, resume_step: int) -> None:
        self._directory = directory
        self._writer: Any = None
        self._excepthook = threading.excepthook
        threading.excepthook = self._ignore_writer_thread
        with self._disabled_by_errors():
            from torch.utils.tensorboard import SummaryWriter  # imported here, as readers of metrics do not need it

            self._writer = SummaryWriter(str(directory), purge_step=resume_step + 1)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        with self._disabled_by_errors():
            for name, value in metrics.items() if self._writer else ():
                self._writer.add_scalar(name.replace("_", "/", 1), value, step)

    def close(self) -> None:
        with self._disabled_by_errors():
            if self._writer:
                self._writer.close()
        threading.excepthook = self._excepthook

    @contextlib.contextmanager
    def _disabled_by_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # if TensorFlow is installed, errors of files are its own kinds, not OSError
            self._writer = None
            log.warning("Could not write %s (%s): this run continues without TensorBoard.", self._directory, error)

    def _ignore_writer_thread(self, arguments: threading.ExceptHookArgs) -> None:
        # an error in the writer's thread reaches its next caller, too: no need for Python to print a traceback
        if not type(arguments.thread).__module__.startswith("tensorboard."):
            self._excepthook(arguments)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a ``metrics.jsonl``, none if the file does not exist. A value that was not finite is None.

    Lines that are not rows are skipped, such as one cut short by a kill.
    """
    if not path.is_file():
        return []
    return [row for row in map(_parsed, _lines(path)) if row is not None]


def read_rows(directory: Path) -> list[dict[str, Any]]:
    """The metrics of a run over time, see ``read_metrics``; of a committed run, those of its ``evaluations.jsonl``."""
    return read_metrics(directory / "metrics.jsonl") or read_metrics(directory / "evaluations.jsonl")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").split("\n")


def _damage(path: Path) -> str | None:
    """What the file has that no run of this package writes; None without such. The last line may have been cut short."""
    if path.is_dir():
        return "the place of a file, but is a folder"
    lines = _lines(path) if path.exists() else []
    foreign = [line for line in lines[:-1] if _parsed(line) is None]
    foreign += [line for line in lines[-1:] if _parsed(line) is None and line[: len(_BEGINNING)] != _BEGINNING[: len(line)]]
    return f"lines that are no rows of metrics ({len(foreign)})" if foreign else None


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_constant=lambda _: None)  # files of earlier versions may hold NaN and Infinity
    except (ValueError, RecursionError):
        return None
    # type(): True is an int, too
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return None
    return row if all(value is None or isinstance(value, int | float) for value in row.values()) else None


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"
