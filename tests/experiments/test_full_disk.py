"""A disk that is full when a file is to be written, or read-only."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from irg_experiments.errors import UserError
from irg_experiments.experiments import lease, runner
from irg_experiments.experiments.protocol import Result
from irg_experiments.results import drawing
from irg_experiments.results.record import read_record
from irg_experiments.training import loop
from irg_experiments.training.metrics_log import MetricsLog, read_metrics
from tests.disks import make_read_only, mounted
from tests.experiments import tiny
from tests.training.test_loop import CPU, NoisyRegression

SCHEDULE = loop.Schedule(steps=30, log_every=10, evaluate_every=10, checkpoint_every=10)


class Regression(NoisyRegression):
    """Its rows of metrics are longer than a page of memory: a shorter one may find room on a full disk."""

    def evaluate(self, step: int) -> dict[str, float]:
        return {**super().evaluate(step), **{f"metric_{number}": 1.0 for number in range(300)}}


class Trained(tiny.Tiny):
    """An experiment with a training loop."""

    def run(self, directory: Path) -> Result:
        metrics = loop.train(Regression(), SCHEDULE, self.config.seed, directory, CPU).metrics
        return Result({"value": metrics["test_distance"]}, wall_seconds=1.0)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "2m") as path:
        yield path


def fill(disk: Path) -> None:
    with (disk / "ballast").open("ab", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


def trained(output: Path, **changes: Any) -> Path:
    values = {**tiny.config(output, **changes), "_target_": f"{__name__}.Trained", "output": str(output)}
    return runner.run_experiment(OmegaConf.create(values), [])


def before(target: Any, name: str, monkeypatch: pytest.MonkeyPatch, disk: Path, call: int) -> None:
    """Fills the disk before one of the calls of a function."""
    calls: list[Sequence[object]] = []
    original: Callable[..., Any] = getattr(target, name)

    def filling(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) == call:
            fill(disk)
        return original(*arguments, **named)

    monkeypatch.setattr(target, name, filling)


# what is written, and which of its calls finds a full disk
WRITERS: dict[str, tuple[Any, str, int]] = {
    "lease": (lease, "_create", 1),
    "first record": (runner, "write_record", 1),
    "metrics": (MetricsLog, "write", 2),
    "first checkpoint": (loop, "save_checkpoint", 1),
    "third checkpoint": (loop, "save_checkpoint", 3),
    "last record": (runner, "write_record", 3),
}


@pytest.mark.parametrize("written", WRITERS)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on_when_there_is_room(
    disk: Path, tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch
):
    expected = trained(tmp_path / "elsewhere")
    target, name, call = WRITERS[written]
    with monkeypatch.context() as patch:
        before(target, name, patch, disk, call)
        with pytest.raises(UserError, match="No space left on device") as told:
            trained(disk / "outputs")
    assert "\n" not in str(told.value)
    assert not [path for path in disk.rglob("*") if ".tmp" in path.name or ".lease" in path.name]
    if written == "third checkpoint":
        assert {path.name for path in disk.rglob("*.pt")} == {"checkpoint.pt", "checkpoint.previous.pt"}
    (disk / "ballast").unlink()
    directory = trained(disk / "outputs")
    record, reference = read_record(directory), read_record(expected)
    assert record is not None
    assert reference is not None
    assert (record["status"], record["metrics"]) == ("done", reference["metrics"])
    assert read_metrics(directory / "metrics.jsonl") == read_metrics(expected / "metrics.jsonl")


def test_a_full_disk_costs_a_figure_alone(disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    with monkeypatch.context() as patch:
        before(drawing, "written_whole", patch, disk, call=1)
        directory = trained(disk / "outputs")
    record = read_record(directory)
    assert record is not None
    assert record["status"] == "done"
    assert "one.png could not be drawn (OSError: [Errno 28] No space left on device)" in caplog.text
    assert not list((directory / "figures").iterdir())
    (disk / "ballast").unlink()
    trained(disk / "outputs")
    assert {path.name for path in (directory / "figures").iterdir()} == {"one.png", "two.png"}


def test_a_read_only_output_is_one_line_and_its_finished_runs_are_shown(disk: Path, capsys: pytest.CaptureFixture[str]):
    directory = trained(disk)
    make_read_only(disk)
    capsys.readouterr()
    assert trained(disk) == directory
    assert "two.png" in capsys.readouterr().out
    for changes in ({"seed": 1}, {"rerun": True}):
        with pytest.raises(UserError, match=r"cannot be written \(.*\)\. Choose another folder by output=…$"):
            trained(disk, **changes)
