"""Runs of sweeps that need no computation."""

import json
import os
from pathlib import Path
from typing import Any

from irg_experiments.config.command_line import parse
from irg_experiments.config.sweeps import each_row
from irg_experiments.sweeps.plan import Run, planned

SMOKE = ("experiment=lda", "budget=smoke", "threads=1")


def runs_of(folder: Path, *words: str) -> list[Run]:
    """The runs of a command line, their output in the folder."""
    return planned(list(each_row(parse(["-m", *SMOKE, *words, f"output={folder}"]))))


def write_files(run: Run, status: str, rows: list[dict[str, Any]] = (), modified: float = 0.0, **fields: Any) -> None:
    """The record and the metrics of a run, the last row of which was written at a time in seconds."""
    run.directory.mkdir(parents=True, exist_ok=True)
    record = {"status": status, "config": {}, "written": len(rows), **fields}
    (run.directory / "record.json.tmp").write_text(json.dumps(record))
    os.replace(run.directory / "record.json.tmp", run.directory / "record.json")
    metrics = run.directory / "metrics.jsonl"
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.utime(metrics, (modified, modified))
