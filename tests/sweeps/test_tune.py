import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from irg_experiments.config.command_line import Arguments, parse
from irg_experiments.config.sweeps import each_row
from irg_experiments.errors import UserError
from irg_experiments.installation import is_installed
from irg_experiments.sweeps import tune
from irg_experiments.sweeps.launch import Launcher
from irg_experiments.sweeps.plan import Run
from irg_experiments.sweeps.sweep import Outcome
from tests.sweeps.runs import write_files

pytestmark = pytest.mark.skipif(not is_installed("optuna"), reason="pip install 'irg-experiments[tune]' brings Optuna")


def searching(folder: Path, *words: str) -> Arguments:
    (row,) = each_row(parse(["-m", "+sweep=tune", "data=digits", f"output={folder}", *words]))
    return row


class Runs:
    """Stands for the runs: their validation metric is lowest at a learning rate of 1e-3, the test metric at 1e-2."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def __call__(self, runs: Sequence[Run], launcher: Launcher) -> list[Outcome]:
        return [self.outcome(run) for run in runs]

    def outcome(self, run: Run) -> Outcome:
        rate = run.settings.training.learning_rate
        self.rates.append(rate)
        if rate > 5e-3:
            return Outcome(run, "failed", "The loss became nan")
        metric = abs(math.log10(rate) + 3)
        write_files(run, "done", [{"step": 1, "validation_negative_elbo": metric, "test_nll": -rate}])
        return Outcome(run)


@pytest.mark.parametrize("parallel", [1, 3])
def test_the_search_nears_the_lowest_validation_metric_and_repeats_itself(
    parallel: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    rates = []
    for _ in range(2):
        runs = Runs()
        monkeypatch.setattr(tune, "perform", runs)
        row = searching(tmp_path, "search.trials=24", f"search.parallel={parallel}")
        assert row.search is not None
        assert tune.tune(row, row.search) == 1  # a learning rate above 5e-3 diverges
        rates.append(runs.rates)
    assert rates[0] == rates[1]
    assert len(rates[0]) == 24
    assert 5e-4 < min(rates[0], key=lambda rate: abs(math.log10(rate) + 3)) < 2e-3
    assert all(1e-4 <= rate <= 1e-2 for rate in rates[0])
    best = capsys.readouterr().out.split("\n")[4]
    assert f"{min(rates[0], key=lambda rate: abs(math.log10(rate) + 3)):.6g}" in best


def test_an_experiment_without_validation_items_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def perform(runs: Sequence[Run], launcher: Launcher) -> list[Outcome]:
        for run in runs:
            write_files(run, "done", [{"step": 1, "test_perplexity": 3.0}])
        return [Outcome(run) for run in runs]

    monkeypatch.setattr(tune, "perform", perform)
    row = searching(tmp_path)
    assert row.search is not None
    with pytest.raises(UserError, match="has no metric validation_… to minimise"):
        tune.tune(row, row.search)


def test_kinds_of_values(tmp_path: Path):
    words = ("latent=gamma,normal", "latent.dim=int(interval(2,9))", "training.learning_rate=interval(1e-4,1e-3)")
    first, second = (tune.Sampler(searching(tmp_path, *words), seed=0).ask(1)[0] for _ in range(2))
    assert first == second
    assert first["latent"] in ("gamma", "normal")
    assert 2 <= int(first["latent.dim"]) <= 9
    assert 1e-4 <= float(first["training.learning_rate"]) <= 1e-3
    assert first["training.batch_size"] in ("32", "64", "128")


def test_nothing_to_search_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="nothing to search"):
        tune.Sampler(parse(["-m", "experiment=vae", "seed=0"]), seed=0)


def test_values_of_the_search_are_typed_like_others(tmp_path: Path):
    search = searching(tmp_path, "search.trials=7", "search.seed=3").search
    assert search is not None
    assert (search.trials, search.parallel, search.seed) == (7, 1, 3)
    with pytest.raises(UserError, match=r"search\.trials must be a whole number of at least 1, not 'x'"):
        searching(tmp_path, "search.trials=x")
