"""What the files of a run tell about it while it runs, in whichever process that is."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irg_experiments.results.record import RECORD, read_record
from irg_experiments.sweeps.plan import Run
from irg_experiments.training.metrics_log import read_metrics, read_rows

VALIDATION = "validation_"


@dataclass(frozen=True)
class State:
    """A run at one moment.

    Attributes:
        status: "waiting" until the run's record is written, then the status of the record.
        step: training steps done.
        logged: when the last of them was logged, in seconds; by the clock of the file system.
        metric: name and value of the last evaluation's first metric.
    """

    status: str
    step: int = 0
    logged: float = 0.0
    metric: str = ""


class Watch:
    """Reads the state of a run again and again.

    Args:
        run: whose record, if there is one, is that of an earlier attempt until it is written again.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._record, self._metrics = run.directory / RECORD, run.directory / "metrics.jsonl"
        self._earlier = _version(self._record)
        self.earlier_step = self._last_step()[0]

    def record(self) -> dict[str, Any] | None:
        """The record, if it was written since this object was made."""
        return read_record(self.run.directory) if _version(self._record) != self._earlier else None

    def state(self) -> State:
        """The state now."""
        record = self.record()
        if record is None:
            return State("waiting", self.earlier_step)
        return State(str(record["status"]), *self._last_step())

    def _last_step(self) -> tuple[int, float, str]:
        rows = read_metrics(self._metrics)
        if not rows:
            return 0, 0.0, ""
        return int(rows[-1]["step"]), (_version(self._metrics) or (0, 0))[0] / 1e9, _metric_in_words(rows)


def _version(file: Path) -> tuple[int, int] | None:
    """Changes whenever the file is written; None if there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _metric_in_words(rows: list[dict[str, Any]]) -> str:
    for row in reversed(rows):
        for name, value in row.items():
            if name not in ("step", "train_loss") and value is not None:
                return f"{name.removeprefix('test_')} {value:.4g}"
    return ""


def lowest_validation_metric(directory: Path) -> float | None:
    """The lowest value over a run's evaluations of its first validation metric; None if it has none."""
    values: dict[str, list[float]] = {}
    for row in read_rows(directory):
        for name, value in row.items():
            if name.startswith(VALIDATION) and isinstance(value, int | float) and math.isfinite(value):
                values.setdefault(name, []).append(value)
    return min(next(iter(values.values()))) if values else None
