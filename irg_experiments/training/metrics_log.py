"""The metrics of a run over time, as JSON lines and TensorBoard scalars."""

import json
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter


class MetricsLog:
    """Appends to ``metrics.jsonl`` and ``tensorboard/`` of a run directory.

    Args:
        directory: the run directory.
        resume_step: what was logged after this step belongs to work that was lost, and is dropped.
    """

    def __init__(self, directory: Path, resume_step: int) -> None:
        self._path = directory / "metrics.jsonl"
        kept = [row for row in read_metrics(self._path) if row["step"] <= resume_step]
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(row) + "\n" for row in kept))
        temporary.replace(self._path)
        self._file = self._path.open("a", buffering=1)
        self._tensorboard = SummaryWriter(str(directory / "tensorboard"), purge_step=resume_step + 1)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Logs the metrics of one step."""
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        for name, value in metrics.items():
            self._tensorboard.add_scalar(name.replace("_", "/", 1), value, step)

    def close(self) -> None:
        """Writes out what is buffered."""
        self._file.close()
        self._tensorboard.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a ``metrics.jsonl``; none if it does not exist. A last line cut short by a kill is dropped."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
