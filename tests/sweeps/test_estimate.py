from pathlib import Path

import pytest

from irg_experiments.sweeps.estimate import kind_of, seconds_per_work, table
from tests.sweeps.runs import runs_of


def test_time_is_work_times_the_speed_of_a_kind(tmp_path: Path):
    runs = [
        *runs_of(tmp_path, "budget=paper", "seed=0,1"),
        *runs_of(tmp_path, "budget=paper", "model=ln_lda", "method=explicit"),
    ]
    speeds = {("lda", "lda", "bars"): 0.01, ("lda", "ln_lda", "bars"): None}
    assert [kind_of(run) for run in runs] == [("lda", "lda", "bars")] * 2 + [("lda", "ln_lda", "bars")]
    rows = table({"first": runs, "second": runs[:1]}, speeds).rows
    assert rows == [["first", "3", "1", "1 h 0 min"], ["second", "1", "0", "30 min"], ["all", "4", "1", "1 h 30 min"]]


@pytest.mark.parametrize("words", [(), ("experiment=accuracy",)])
def test_speeds_come_from_runs_in_the_given_folder(words: tuple[str, ...], tmp_path: Path):
    (run,) = runs_of(tmp_path / "outputs", "budget=paper", *words)
    speed = seconds_per_work(run, tmp_path / "timed")
    assert speed is not None
    assert speed > 0
    assert not (tmp_path / "outputs").exists()


def test_a_run_that_is_refused_has_no_speed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (run,) = runs_of(tmp_path, "method=explicit")
    assert seconds_per_work(run, tmp_path) is None
    assert "is left out: method=explicit cannot" in capsys.readouterr().err
