import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from irg_experiments.errors import DivergedError
from irg_experiments.training.loop import Schedule, Selection, TrainingResult, train
from irg_experiments.training.metrics_log import read_metrics

CPU = torch.device("cpu")
SCHEDULE = Schedule(steps=60, log_every=7, evaluate_every=20, checkpoint_every=10)


class NoisyRegression:
    """A task whose every step and evaluation draws random numbers; optionally killed or made NaN at a step."""

    def __init__(self, kill_at: int | None = None, nan_at: int | None = None) -> None:
        torch.manual_seed(5)
        self.weight = torch.randn(4, requires_grad=True)
        self.optimizer = torch.optim.Adam([self.weight], lr=0.1)
        self.kill_at, self.nan_at = kill_at, nan_at

    def training_step(self, step: int) -> Tensor:
        if step == self.kill_at:
            raise KeyboardInterrupt
        loss = ((self.weight - torch.randn(4)) ** 2).sum() / (0.0 if step == self.nan_at else 1.0)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def evaluate(self, step: int) -> dict[str, float]:
        return {"test_distance": (self.weight - torch.randn(4)).norm().item()}

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight.detach(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weight.data.copy_(state["weight"])
        self.optimizer.load_state_dict(state["optimizer"])


def run(task: NoisyRegression, directory: Path) -> TrainingResult:
    return train(task, SCHEDULE, seed=3, directory=directory, device=CPU)


@pytest.mark.parametrize("kill_at", [5, 27, 59])
def test_a_killed_run_ends_as_an_uninterrupted_one(tmp_path: Path, kill_at: int):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = run(NoisyRegression(), whole)
    with pytest.raises(KeyboardInterrupt):
        run(NoisyRegression(kill_at=kill_at), broken)
    torch.randn(100)  # another process has another random state
    assert run(NoisyRegression(), broken).metrics == expected.metrics
    assert read_metrics(broken / "metrics.jsonl") == read_metrics(whole / "metrics.jsonl")


def test_evaluation_leaves_training_alone(tmp_path: Path):
    results = []
    for every in (20, 5):
        directory = tmp_path / str(every)
        directory.mkdir()
        schedule = Schedule(60, log_every=7, evaluate_every=every, checkpoint_every=60)
        results.append(train(NoisyRegression(), schedule, seed=3, directory=directory, device=CPU).metrics)
    assert results[0] == results[1]


def test_metrics_are_logged_when_due(tmp_path: Path):
    run(NoisyRegression(), tmp_path)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if "test_distance" in row] == [20, 40, 60]
    assert [row["step"] for row in rows][:5] == [7, 10, 14, 20, 21]
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_finished_run_trains_no_further(tmp_path: Path):
    first = run(NoisyRegression(), tmp_path)
    assert run(NoisyRegression(kill_at=0), tmp_path) == first


def test_an_infinite_loss_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path):
    with pytest.raises(DivergedError, match="step 28"):
        run(NoisyRegression(nan_at=25), tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 20
    assert state["task"]["weight"].isfinite().all()


class SpoiledUpdate(NoisyRegression):
    """The update of step 29 makes a weight NaN, after a finite loss; that of step 30 would be the first to see it."""

    def training_step(self, step: int) -> Tensor:
        loss = super().training_step(step)
        if step == 29:
            self.weight.data[2] = math.nan
        return loss


def test_a_parameter_that_is_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path):
    for _ in range(2):  # again, from the checkpoint
        with pytest.raises(DivergedError, match="A parameter is NaN after step 30"):
            run(SpoiledUpdate(), tmp_path)
        state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
        assert state["step"] == 20
        assert state["task"]["weight"].isfinite().all()


def test_checkpoints_hold_no_code(tmp_path: Path):
    run(NoisyRegression(), tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 60


class Descent(NoisyRegression):
    """Its metric is a function of the step: it falls to step 30 and rises after it."""

    def __init__(self, kill_at: int | None = None) -> None:
        super().__init__(kill_at)
        self.done = 0

    def training_step(self, step: int) -> Tensor:
        self.done = step + 1
        return super().training_step(step)

    def evaluate(self, step: int) -> dict[str, float]:
        return {"validation_loss": abs(self.done - 30.0), "step": float(self.done)}


@pytest.mark.parametrize("kill_at", [None, 12, 33, 42])
def test_selection_stops_early_and_restores_the_best_state(tmp_path: Path, kill_at: int | None):
    schedule = Schedule(100, log_every=7, evaluate_every=5, checkpoint_every=10, selection=Selection(patience=3, start=10))
    if kill_at is not None:
        with pytest.raises(KeyboardInterrupt):
            train(Descent(kill_at), schedule, seed=3, directory=tmp_path, device=CPU)
    task = Descent()
    result = train(task, schedule, seed=3, directory=tmp_path, device=CPU)
    assert result.metrics == {"validation_loss": 0.0, "step": 30.0, "best_step": 30, "last_step": 45}
    longer = tmp_path / "longer"
    longer.mkdir()
    reference = Descent()
    train(reference, Schedule(30, 7, 5, 10), seed=3, directory=longer, device=CPU)
    assert torch.equal(task.weight, reference.weight)
    assert train(Descent(kill_at=0), schedule, seed=3, directory=tmp_path, device=CPU).metrics == result.metrics


def test_selection_without_patience_enough_runs_to_the_end(tmp_path: Path):
    schedule = Schedule(20, 7, 5, 10, Selection(patience=1, start=40))
    metrics = train(Descent(), schedule, seed=3, directory=tmp_path, device=CPU).metrics
    assert (metrics["validation_loss"], metrics["best_step"], metrics["last_step"]) == (10.0, 20, 20)


class Diverging(Descent):
    """Its metric is not finite at some evaluations, −∞ among them."""

    VALUES: ClassVar = {5: math.nan, 10: 3.0, 15: -math.inf, 20: math.inf}

    def evaluate(self, step: int) -> dict[str, float]:
        return {"validation_loss": self.VALUES[step], "finite": 1.0}


@pytest.mark.parametrize("selection", [None, Selection(patience=9)])
def test_a_metric_that_is_not_finite_never_counts_as_best_and_is_recorded_as_null(
    tmp_path: Path, selection: Selection | None, caplog: pytest.LogCaptureFixture
):
    schedule = Schedule(20, 10, 5, 10, selection)
    metrics = train(Diverging(), schedule, seed=3, directory=tmp_path, device=CPU).metrics
    if selection is None:
        assert metrics == {"validation_loss": math.inf, "finite": 1.0}
    else:
        assert (metrics["validation_loss"], metrics["best_step"]) == (3.0, 10)
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "finite" in row]
    assert [row["validation_loss"] for row in rows] == [None, 3.0, None, None]
    assert "validation_loss is -inf at step 15" in caplog.text


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> dict[str, float]:
    """The metrics of a run that resumes from a checkpoint of step 30 after ``change``, with the one of step 20 before it."""
    with pytest.raises(KeyboardInterrupt):
        run(NoisyRegression(kill_at=35), tmp_path)
    path = tmp_path / "checkpoint.pt"
    torch.save(change(torch.load(path, weights_only=True)), path)
    return run(NoisyRegression(), tmp_path).metrics


UNUSABLE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "list": lambda state: [1, 2],
    "tensor": lambda state: torch.zeros(3),
    "no step": lambda state: {name: value for name, value in state.items() if name != "step"},
    "negative step": lambda state: {**state, "step": -1},
    "step beyond the end": lambda state: {**state, "step": 61},
    "step is a float": lambda state: {**state, "step": 30.0},
    "wrong shape": lambda state: {**state, "task": {**state["task"], "weight": torch.zeros(9)}},
    "NaN": lambda state: {**state, "task": {**state["task"], "weight": torch.full((4,), math.nan)}},
    "another task": lambda state: {**state, "task": {"model": {}}},
    # found after the task has been restored
    "wrong random state": lambda state: {**state, "random": {"cpu": torch.zeros(3, dtype=torch.uint8)}},
    "wrong best state": lambda state: {
        **state,
        "best": {"metrics": {}, "step": 1, "stale": 0, "task": {"weight": torch.zeros(9)}},
    },
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_checkpoint_is_named_and_the_one_before_it_used(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    with caplog.at_level(logging.INFO):
        metrics = changed(broken, UNUSABLE[name])
    assert metrics == run(NoisyRegression(), whole).metrics
    skipped = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(skipped) == 1
    assert "checkpoint.pt, which is unusable" in skipped[0]
    assert "\n" not in skipped[0]
    assert "Resuming at step 20" in caplog.text


def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    with caplog.at_level(logging.INFO):
        metrics = changed(broken, lambda state: {name: state[name] for name in state.keys() - {"best", "loss"}})
    assert metrics == run(NoisyRegression(), whole).metrics
    assert "Resuming at step 30" in caplog.text


def test_without_a_usable_checkpoint_training_starts_from_the_beginning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        torch.save({"step": 5, "task": {"weight": torch.zeros(4)}}, broken / name)
    assert run(NoisyRegression(), broken).metrics == run(NoisyRegression(), whole).metrics
    assert "training starts from the beginning" in caplog.text
