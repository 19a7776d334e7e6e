"""Topic models and VAEs train by estimators with a baseline, whose moving average belongs to the state of the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

from irg_experiments.config import ConfigTree
from irg_experiments.errors import RunFailedError
from irg_experiments.experiments.compared_estimators import ComparedEstimators
from irg_experiments.experiments.gradient_variance import GradientVariance
from irg_experiments.experiments.lda.gradient import GradientTask
from irg_experiments.experiments.runner import run_experiment
from irg_experiments.experiments.vae.task import VAETask
from irg_experiments.implicit import Gamma
from irg_experiments.models.common import Expectation
from irg_experiments.training.metrics_log import read_metrics

Compose = Callable[..., DictConfig]
SMALL = (
    "budget=smoke",
    "threads=1",
    "compile=off",
    "training.steps=20",
    "training.evaluate_every=10",
    "training.checkpoint_every=10",
    "gradient_variance.repeats=3",
)
LDA = ("experiment=lda", "data=bars", "+data.num_test=50", *SMALL)
VAE = ("experiment=vae", "data=digits", "latent=gamma", "evaluation.knn_draws=2", *SMALL)
AVERAGE = "method.baseline=moving_average"


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irg_experiments.experiments.runner.draw", lambda *_: [])


def run(compose: Compose, tmp_path: Path, *overrides: str) -> Path:
    arguments = [f"output={tmp_path}", *overrides]
    return run_experiment(compose(*arguments), arguments)


def record_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "record.json").read_text())


@pytest.mark.parametrize("experiment", [LDA, VAE], ids=["lda", "vae"])
@pytest.mark.parametrize("method", ["rsvi", "generalized", "score_function"])
@pytest.mark.parametrize(
    "options",
    [
        ("method.baseline=constant", "method.constant=70.0"),
        ("method.baseline=leave_one_out", "training.num_samples=3"),
        (AVERAGE,),
    ],
    ids=["constant", "leave_one_out", "moving_average"],
)
def test_training_with_a_baseline(
    compose: Compose, tmp_path: Path, experiment: tuple[str, ...], method: str, options: tuple[str, ...]
):
    record = record_of(run(compose, tmp_path, *experiment, f"method={method}", *options))
    words = {"constant": "baseline 70.0", "leave_one_out": "leave-one-out", "moving_average": "moving average, decay = 0.99"}
    assert record["status"] == "done"
    assert record["method_label"].endswith(", " + words[options[0].partition("=")[2]])


@pytest.mark.parametrize(("experiment", "task"), [(LDA, GradientTask), (VAE, VAETask)], ids=["lda", "vae"])
def test_a_resumed_run_has_the_metrics_that_it_would_have_had(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: tuple[str, ...], task: Any
):
    """The moving average is in the checkpoint; those of compared estimators begin anew at each evaluation."""
    compared = "gradient_variance.methods=[{name: rsvi, baseline: moving_average}]"
    arguments = (*experiment, "method=rsvi", AVERAGE, compared)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = run(compose, whole, *arguments)
    step_of = task.training_step

    def fail(self: Any, step: int) -> Tensor:
        if step == 13:
            raise OSError("killed")
        return step_of(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(task, "training_step", fail)
        with pytest.raises(RunFailedError):
            run(compose, killed, *arguments)
    state = torch.load(next(killed.glob("*/*/checkpoint.pt")), weights_only=True)
    assert (state["step"], state["task"]["estimator"]["average"].shape) == (10, ())
    resumed = run(compose, killed, *arguments)
    assert record_of(resumed)["metrics"] == record_of(expected)["metrics"]
    assert read_metrics(resumed / "metrics.jsonl")[-1] == read_metrics(expected / "metrics.jsonl")[-1]


def test_a_checkpoint_of_an_earlier_version_has_no_moving_average(compose: Compose, tmp_path: Path):
    directory = run(compose, tmp_path, *LDA, "method=rsvi")
    path = directory / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    assert state["task"].pop("estimator") == {}
    torch.save(state, path)
    before = record_of(directory)
    (directory / "record.json").write_text(json.dumps({**before, "status": "failed"}))
    assert record_of(run(compose, tmp_path, *LDA, "method=rsvi"))["metrics"] == before["metrics"]


def test_the_variance_of_a_compared_estimator_does_not_depend_on_earlier_evaluations():
    a = torch.tensor([2.0], requires_grad=True)
    methods = [{"name": "rsvi", "baseline": "moving_average"}]
    compared = ComparedEstimators(GradientVariance(methods=methods, repeats=5), Gamma, "a test", ConfigTree())

    def loss(expectation: Expectation, constant: float = 0.0) -> Tensor:
        return expectation(lambda z: z.square() + constant, Gamma(a, torch.ones(1)), 1).sum()

    first = compared.variances(loss, [a], 3)
    compared.variances(lambda expectation: loss(expectation, 1e4), [a], 4)
    assert compared.variances(loss, [a], 3) == first
