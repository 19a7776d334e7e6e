"""Every file of the config tree runs, or says in one line why not; a new one is tested with no edit here."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from omegaconf import DictConfig

from irg_experiments.config import ConfigTree
from irg_experiments.config.command_line import resolved
from irg_experiments.errors import UserError
from irg_experiments.experiments.choices import methods_for
from irg_experiments.experiments.runner import make_experiment, run_experiment
from irg_experiments.implicit import Dirichlet

Compose = Callable[..., DictConfig]
TREE = ConfigTree()


def run(compose: Compose, tmp_path: Path, *overrides: str) -> str:
    arguments = ["budget=smoke", "threads=1", f"output={tmp_path}", *overrides]
    directory = run_experiment(compose(*arguments), arguments)
    return json.loads((directory / "record.json").read_text())["status"]


@pytest.mark.parametrize("experiment", TREE.choices("experiment"))
def test_experiments_run_at_once_or_name_the_data_set_that_does(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: str
):
    def no_network(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(requests, "get", no_network)
    monkeypatch.setenv("IRG_DATA", str(tmp_path / "nowhere"))
    try:
        assert run(compose, tmp_path, f"experiment={experiment}") == "done"
    except UserError as error:
        (embedded,) = re.findall(r"use (data=\w+), which needs no download", str(error))
        assert run(compose, tmp_path, f"experiment={experiment}", embedded) == "done"


@pytest.mark.parametrize("method", TREE.choices("method"))
def test_methods(compose: Compose, tmp_path: Path, method: str):
    overrides = ("experiment=lda", "data=bars", "+data.num_test=50", f"method={method}")
    if method in methods_for(Dirichlet, TREE):
        assert run(compose, tmp_path, *overrides) == "done"
    else:
        with pytest.raises(UserError, match=r"Methods that can: |it trains model="):
            run(compose, tmp_path, *overrides)


@pytest.mark.parametrize("budget", ["smoke", "short", "paper"])
@pytest.mark.parametrize("experiment", TREE.choices("experiment"))
def test_budgets_of_every_experiment(compose: Compose, budget: str, experiment: str):
    settings = make_experiment(resolved(compose(f"experiment={experiment}", f"budget={budget}")), TREE).config
    assert settings.budget == budget
    assert settings.compile == ("off" if budget == "smoke" else "auto")


def test_values_at_the_edge_pass(compose: Compose):
    make_experiment(resolved(compose("seed=0", "threads=null", "training.steps=1", "training.learning_rate=1")), TREE)


@pytest.mark.parametrize(("data", "topics"), [("bars", 10), ("newsgroups", 50)])
def test_topics_are_those_of_the_documents(compose: Compose, data: str, topics: int):
    assert resolved(compose("experiment=lda", f"data={data}"))["model"]["topics"] == topics
