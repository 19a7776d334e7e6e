"""An experiment whose metric is a value of its config, for tests of what all experiments share."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from omegaconf import OmegaConf

from irg_experiments.config.types import CONDUCT, Count, Positive
from irg_experiments.errors import UserError
from irg_experiments.experiments import runner
from irg_experiments.experiments.protocol import Experiment, ExperimentConfig, Result
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record, read_record
from irg_experiments.results.table import Table


class TinyConfig(ExperimentConfig):
    value: Positive
    every: Annotated[Count, CONDUCT]
    added_later: Count = 3


class Tiny(Experiment):
    """Its metric is a value of the config; it fails, or draws badly, when told to."""

    Config = TinyConfig
    refuse = fail = False
    bad_figure = False
    runs = 0

    def prepare(self, device: Any, compiled: bool) -> None:
        if self.refuse:
            raise UserError("Not with me.")

    def run(self, directory: Path) -> Result:
        type(self).runs += 1
        if self.fail:
            raise KeyError("lost")
        value = self.config.value
        return Result({"value": value, "parts": {"odd": math.inf if value == 13 else 1.0}}, wall_seconds=0.5)

    @classmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        return [
            Table(
                "tiny",
                "Tiny",
                ["name", "value"],
                [[record["experiment"], str(record["metrics"]["value"])] for record in records],
            )
        ]

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        def draw(path: Path) -> None:
            if cls.bad_figure:
                raise ZeroDivisionError("no ink")
            path.write_text("picture")

        yield Figure("one", draw)
        yield Figure("two", lambda path: path.write_text("picture"))


def config(tmp_path: Path, **changes: Any) -> Any:
    values = {
        "_target_": f"{__name__}.Tiny",
        "experiment": "tiny",
        "seed": 0,
        "device": "cpu",
        "threads": None,
        "compile": "off",
        "budget": "smoke",
        "output": str(tmp_path / "outputs"),
        "rerun": False,
        "value": 2.0,
        "every": 10,
    }
    return OmegaConf.create({**values, **changes})


def run(tmp_path: Path, **changes: Any) -> Path:
    return runner.run_experiment(config(tmp_path, **changes), [f"{name}={value}" for name, value in changes.items()])


def record_of(directory: Path) -> Record:
    record = read_record(directory)
    assert record is not None
    return record
