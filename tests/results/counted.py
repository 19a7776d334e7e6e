"""An experiment whose tables and figures are made of records alone, and records of it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.experiments.protocol import Experiment, Result
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record, new_record, write_record
from irg_experiments.results.table import Table


class Counted(Experiment):
    """Tables and a figure from records alone."""

    def prepare(self, device: Any, compiled: bool) -> None:
        raise NotImplementedError

    def run(self, directory: Path) -> Result:
        raise NotImplementedError

    @classmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        rows = [[record["data"], f"{record['metrics']['x']:.1f}", record["command"]] for record in records]
        made_of = [[record] for record in records]
        return [Table("counted", "What was counted", ["data", "x", "command"], rows, page_only=("command",), made_of=made_of)]

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        yield Figure("picture", lambda path: path.write_text("new"))

    @classmethod
    def comparisons(cls, runs: Sequence[tuple[Path, Record]]) -> Iterator[Figure]:
        names = " ".join(sorted(directory.name for directory, _ in runs))
        yield Figure("all", lambda path: path.write_text(names))


def write(folder: Path, name: str = "a", status: str = "done", target: str = f"{__name__}.Counted") -> Path:
    config = {"_target_": target, "experiment": "counted", "data": {"name": "bars"}, "seed": 0, "budget": "short"}
    directory = folder / name
    directory.mkdir(parents=True)
    record = new_record(config, name, name, "irg-run experiment=counted", "cpu", "off")
    write_record(directory, {**record, "status": status, "metrics": {"x": 3.25}})
    return directory


def change(directory: Path, **fields: Any) -> Path:
    path = directory / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return path
