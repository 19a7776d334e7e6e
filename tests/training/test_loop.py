import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from irg_experiments.errors import DivergedError, UserError
from irg_experiments.training.checkpoint import load_checkpoint, save_checkpoint
from irg_experiments.training.loop import Schedule, Selection, TrainingResult, denormals_flushed, train
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


def test_denormals_are_zero_while_training_and_come_back():
    denormal = torch.full((8,), 1e-40)
    with denormals_flushed():
        with denormals_flushed():
            pass
        if (denormal * 1).any():
            pytest.skip("this processor cannot flush denormals")
    assert (denormal * 1).all()


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
    state = load_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 20
    assert state["task"]["weight"].isfinite().all()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture):
    for step in (1, 2):
        save_checkpoint(tmp_path, {"step": step, "tensor": torch.zeros(1000)})
    path = tmp_path / "checkpoint.pt"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[content.find(bytes(3000)) + 500] ^= 255
    path.write_bytes(b"" if damage == "empty" else content)
    state = load_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert "checkpoint.pt is damaged" in caplog.text


def test_no_checkpoint_at_all(tmp_path: Path):
    assert load_checkpoint(tmp_path) is None


def test_checkpoints_hold_no_code(tmp_path: Path):
    run(NoisyRegression(), tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 60


def test_a_last_line_cut_short_is_dropped(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1}) + "\n" + '{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 1}]


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


def test_patience_is_at_least_one():
    with pytest.raises(UserError, match="patience"):
        Selection(patience=0)
