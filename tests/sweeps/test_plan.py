from pathlib import Path

from irg_experiments.config.command_line import parse, resolved
from irg_experiments.config.composition import compose
from irg_experiments.experiments.runner import make_experiment, run_directory
from irg_experiments.sweeps.plan import planned
from tests.sweeps.runs import SMOKE, runs_of


def test_runs_are_named_by_what_differs_and_lie_where_single_runs_do(tmp_path: Path):
    runs = runs_of(tmp_path, "seed=0,1", "method=implicit,rsvi", "hydra/launcher=basic")
    assert [run.name for run in runs] == [f"seed={seed} method={method}" for seed in (0, 1) for method in ("implicit", "rsvi")]
    for run in runs:
        assert "hydra/launcher=basic" not in run.words
        arguments = parse([*run.words])
        assert run.directory == run_directory(make_experiment(resolved(compose(arguments)), arguments.tree).config)
        assert run.steps() == 60


def test_a_single_run_is_named_by_its_directory(tmp_path: Path):
    (run,) = runs_of(tmp_path, "seed=3")
    assert run.name == run.directory.name


def test_runs_that_share_a_directory_are_one(tmp_path: Path):
    assert len(runs_of(tmp_path, "training.log_every=10,20", "seed=0,1")) == 2


def test_relative_outputs_become_absolute(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = planned([parse(["-m", *SMOKE])])
    assert run.directory.parent == tmp_path / "outputs" / "lda"
