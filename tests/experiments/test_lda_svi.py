"""experiment=lda with model=lda_svi and method=svi."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from irg_experiments.config import ConfigTree
from irg_experiments.config.command_line import resolved
from irg_experiments.experiments.lda.figures import match_topics
from irg_experiments.experiments.lda.results import metrics_table, paper_perplexity
from irg_experiments.experiments.lda.tasks import make_task
from irg_experiments.experiments.runner import make_experiment, run_experiment
from irg_experiments.results.arrays import read_arrays
from irg_experiments.training.loop import Schedule, train

Compose = Callable[..., DictConfig]
SVI = ("experiment=lda", "model=lda_svi", "method=svi", "budget=smoke", "threads=1")
LEARNED = (*SVI, "method.prior=learned", "+data.num_train=200", "+data.num_test=50")
CPU = torch.device("cpu")


def config_of(compose: Compose, *overrides: str) -> Any:
    return make_experiment(resolved(compose(*overrides)), ConfigTree()).config


def test_a_run_finds_the_bars(compose: Compose, tmp_path: Path):
    options = (
        "method.offset=1",
        "method.decay=0.5",
        "model.document_prior=1.0",
        "training.steps=200",
        "training.batch_size=64",
    )
    arguments = [*SVI, *options, "training.evaluate_every=200", f"output={tmp_path}"]
    directory = run_experiment(compose(*arguments), arguments)
    record = json.loads((directory / "record.json").read_text())
    assert (record["status"], record["method_label"]) == ("done", "SVI")
    metrics = record["metrics"]
    best = metrics["true_model_perplexity"]
    # the expectation of log β is below the logarithm of its mean, and the topics' divergence comes on top
    assert best < metrics["test_perplexity"] < metrics["test_perplexity_bound"] < metrics["test_perplexity_bound_corpus"]
    assert metrics["test_perplexity"] < 1.06 * best
    arrays = read_arrays(directory / "topics.npz")
    assert arrays is not None
    distance = np.abs(match_topics(arrays["topics"], arrays["true_topics"]) - arrays["true_topics"]).sum(0) / 2
    assert np.median(distance) < 0.15  # some seeds end with two topics mixed: a local optimum
    assert any("exact bound" in row[0] for row in metrics_table(record).rows)


def test_an_interrupted_run_ends_with_the_same_numbers(compose: Compose, tmp_path: Path):
    def result(directory: Path, *all_steps: int) -> tuple[dict[str, float], dict[str, Any]]:
        directory.mkdir()
        for session, steps in enumerate(all_steps):
            torch.manual_seed(session)  # another random start, which the checkpoint replaces
            task = make_task(config_of(compose, *LEARNED), CPU, False, ConfigTree())
            metrics = train(task, Schedule(steps, 5, 10, 10), 0, directory, CPU).metrics
        return metrics, task.state_dict()["model"]

    whole, parts = result(tmp_path / "whole", 20), result(tmp_path / "parts", 10, 20)
    assert whole[0] == parts[0]
    for name, tensor in whole[1].items():
        assert torch.equal(tensor, parts[1][name]), name


def test_a_learned_prior_keeps_its_initial_value_during_the_burn_in(compose: Compose):
    task = make_task(config_of(compose, *LEARNED, "training.prior_burn_in_steps=1"), CPU, False, ConfigTree())
    before = task.state_dict()["model"]["alpha"].clone()
    task.training_step(0)
    assert torch.equal(task.state_dict()["model"]["alpha"], before)
    task.training_step(1)
    assert not torch.equal(task.state_dict()["model"]["alpha"], before)


@pytest.mark.parametrize("budget", ["smoke", "short", "paper"])
def test_budgets_are_those_that_the_method_recommends(compose: Compose, budget: str):
    training = config_of(compose, *SVI, f"budget={budget}").training
    recommended = ConfigTree().load("method", "svi")["recommended"]["budgets"][budget]
    if budget == "paper":
        assert recommended.pop("steps") == "${oc.select:data.recommended.svi_steps,10000}"
        assert training.steps == 10_000
        assert config_of(compose, *SVI, "budget=paper", "data=rcv1").training.steps == 100_000
    assert {name: getattr(training, name) for name in recommended} == recommended
    assert training.learning_rate is None
    assert training.num_samples is None
    assert config_of(compose, *SVI, "training.steps=3").training.steps == 3


def test_the_papers_figure_stands_beside_the_fixed_prior_alone():
    model = {key: value for key, value in ConfigTree().load("model", "lda_svi").items() if key != "topics"}
    config = {"model": {**model, "topics": 50}, "method": {"name": "svi", "decay": 0.7}, "data": {"name": "newsgroups"}}
    record = {"model": "lda_svi", "method_label": "SVI", "data": "newsgroups", "config": config}
    assert str(paper_perplexity(record)) == "964 ± 4"
    assert paper_perplexity({**record, "config": {**config, "method": {"name": "svi", "decay": 0.6}}}) is None
    assert paper_perplexity({**record, "method_label": "SVI, learned prior"}) is None
