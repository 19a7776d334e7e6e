"""The metrics of a run over time, as JSON lines and as TensorBoard scalars."""

import contextlib
import json
import logging
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irg_experiments.errors import UserError
from irg_experiments.training.files import writing

log = logging.getLogger(__name__)


class MetricsLog:
    """Appends metrics to ``metrics.jsonl`` and to ``tensorboard/`` in a run directory.

    Args:
        directory: the run directory.
        resume_step: rows of later steps are dropped, because the run computes them again.

    Raises:
        UserError: ``metrics.jsonl`` is a folder, or cannot be written.
    """

    def __init__(self, directory: Path, resume_step: int) -> None:
        self._path = directory / "metrics.jsonl"
        if self._path.is_dir():
            raise UserError(f"{self._path} is a folder: move it away, then repeat the command.")
        kept = [row for row in read_metrics(self._path) if row["step"] <= resume_step]
        temporary = self._path.with_suffix(".tmp")
        with writing(self._path):
            temporary.write_text("".join(_json_line(row) for row in kept), encoding="utf-8")
            temporary.replace(self._path)
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
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [row for row in map(_parsed, lines) if row is not None]


def read_rows(directory: Path) -> list[dict[str, Any]]:
    """The metrics of a run over time, see ``read_metrics``; of a committed run, those of its ``evaluations.jsonl``."""
    return read_metrics(directory / "metrics.jsonl") or read_metrics(directory / "evaluations.jsonl")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_constant=lambda _: None)  # files of earlier versions may hold NaN and Infinity
    except (ValueError, RecursionError):
        return None
    # type(): True is an int, too
    return row if isinstance(row, dict) and type(row.get("step")) is int else None


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"
