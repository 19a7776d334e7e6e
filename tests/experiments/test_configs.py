"""Every file of the config tree runs, or says in one line why not; a new one is tested with no edit here."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from irg_experiments.config import RULES, check_values, choices
from irg_experiments.errors import UserError
from irg_experiments.estimators import ESTIMATORS, supports
from irg_experiments.experiments import run_experiment
from irg_experiments.experiments.runner import resolve
from irg_experiments.implicit import Dirichlet

Compose = Callable[..., DictConfig]


def run(compose: Compose, tmp_path: Path, *overrides: str) -> str:
    arguments = ["budget=smoke", "compile=off", "threads=1", f"output={tmp_path}", *overrides]
    directory = run_experiment(compose(*arguments), arguments)
    return json.loads((directory / "record.json").read_text())["status"]


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_experiments_run_at_once_or_name_the_data_set_that_does(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: str
):
    def no_network(url: str, **_: object) -> None:
        raise urllib.error.URLError(f"no network to reach {url}")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    monkeypatch.setenv("IRG_DATA", str(tmp_path / "nowhere"))
    try:
        assert run(compose, tmp_path, f"experiment={experiment}") == "done"
    except UserError as error:
        (embedded,) = re.findall(r"use (data=\w+), which runs at once", str(error))
        assert run(compose, tmp_path, f"experiment={experiment}", embedded) == "done"


@pytest.mark.parametrize("method", choices("method"))
def test_methods(compose: Compose, tmp_path: Path, method: str):
    if method in ESTIMATORS and supports(ESTIMATORS[method](), Dirichlet):
        assert run(compose, tmp_path, f"method={method}") == "done"
    else:
        with pytest.raises(UserError, match=r"Methods that can: |Choose one: "):
            run(compose, tmp_path, f"method={method}")


@pytest.mark.parametrize("budget", choices("budget"))
@pytest.mark.parametrize("experiment", choices("experiment"))
def test_budgets_serve_every_experiment(compose: Compose, budget: str, experiment: str):
    resolved = resolve(compose(f"experiment={experiment}", f"budget={budget}"))
    assert resolved["budget"] == budget
    check_values(resolved)


def test_every_rule_is_about_a_key_of_some_experiment(compose: Compose):
    configs = [compose(f"experiment={experiment}") for experiment in choices("experiment")]
    absent = object()
    for key in RULES:
        assert any(OmegaConf.select(config, key, default=absent) is not absent for config in configs), key


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=abc", "seed must be a whole number of at least 0, not 'abc'."),
        ("seed=true", "seed must be a whole number of at least 0, not true."),
        ("seed=null", "seed must be a whole number of at least 0, not null."),
        ("threads=0", "threads must be a whole number of at least 1, not 0."),
        ("compile=yes", "compile must be auto, on or off, not 'yes'."),
        ("rerun=no", "rerun must be true or false, not 'no'."),
        ("model.topics=0", "model.topics must be a whole number of at least 1, not 0."),
        ("training.steps=1e3", "training.steps must be a whole number of at least 1, not 1000.0."),
        ("training.evaluate_every=0", "training.evaluate_every must be a whole number of at least 1, not 0."),
        ("training.prior_burn_in_steps=-1", "training.prior_burn_in_steps must be a whole number of at least 0, not -1."),
        ("training.learning_rate=fast", "training.learning_rate must be a positive number, not 'fast'."),
        ("training.learning_rate=0", "training.learning_rate must be a positive number, not 0."),
        ("training.learning_rate=nan", "training.learning_rate must be a positive number, not NaN."),
    ],
)
def test_values_that_cannot_be_are_refused_before_anything_is_set_up(
    compose: Compose, tmp_path: Path, override: str, message: str
):
    with pytest.raises(UserError) as error:
        run_experiment(compose("budget=smoke", f"output={tmp_path}", override), [])
    assert str(error.value) == message
    assert not any(tmp_path.iterdir())


def test_values_at_the_edge_pass(compose: Compose):
    check_values(resolve(compose("seed=0", "threads=null", "training.steps=1", "training.learning_rate=1")))


@pytest.mark.parametrize("data", choices("data"))
def test_data_sets_say_where_they_are(compose: Compose, data: str):
    assert compose(f"data={data}").data.root is not None


@pytest.mark.parametrize(("data", "topics"), [("bars", 10), ("newsgroups", 50)])
def test_topics_are_those_of_the_documents(compose: Compose, data: str, topics: int):
    assert resolve(compose("experiment=lda", f"data={data}"))["model"]["topics"] == topics


def test_images_are_no_documents(compose: Compose, tmp_path: Path):
    with pytest.raises(UserError, match=r"Unknown set of documents 'digits'\. Valid: bars, newsgroups"):
        run(compose, tmp_path, "experiment=lda", "data=digits")
