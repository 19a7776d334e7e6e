"""Every file of the config tree runs, or says in one line why not; a new one is tested with no edit here."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from irg_experiments.config import choices
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
    assert resolve(compose(f"experiment={experiment}", f"budget={budget}"))["budget"] == budget


@pytest.mark.parametrize("data", choices("data"))
def test_data_sets_say_where_they_are(compose: Compose, data: str):
    assert compose(f"data={data}").data.root is not None
