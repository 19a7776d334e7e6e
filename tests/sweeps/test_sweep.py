"""Outcomes of runs, with jobs in place of experiments."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.config import ConfigTree
from irg_experiments.errors import DivergedError, RunFailedError, UserError
from irg_experiments.sweeps import launch
from irg_experiments.sweeps.launch import Launcher, quoted
from irg_experiments.sweeps.plan import Run
from irg_experiments.sweeps.sweep import Outcome, compare, perform, report
from tests.sweeps.runs import runs_of, write_files

BASIC = Launcher((), ConfigTree())


def raising(monkeypatch: pytest.MonkeyPatch, what: Callable[[Sequence[Run]], list[Exception | None]]) -> None:
    monkeypatch.setattr(Launcher, "launch", lambda self, runs, job: what(runs))


def test_a_job_is_called_for_each_run_whatever_another_raises(tmp_path: Path):
    runs = runs_of(tmp_path, "seed=0,1,2", "method=implicit")
    calls = []

    def job(config: Any) -> None:
        calls.append(config.seed)
        if config.seed == 1:
            raise DivergedError("it diverged")

    raised = BASIC.launch(runs, job)
    assert calls == [0, 1, 2]
    assert [type(it) for it in raised] == [type(None), DivergedError, type(None)]


def test_an_interrupt_stops_the_sweep(tmp_path: Path):
    calls = []

    def job(config: Any) -> None:
        calls.append(config.seed)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        BASIC.launch(runs_of(tmp_path, "seed=0,1"), job)
    assert calls == [0]


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ((None, None), 0),
        ((None, UserError("no")), 2),
        ((DivergedError("no"), None), 1),
        ((UserError("no"), RunFailedError("no")), 1),
    ],
)
def test_exit_codes(
    errors: tuple[Exception | None, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    raising(monkeypatch, lambda runs: list(errors))
    assert report(perform(runs_of(tmp_path, "seed=0,1"), BASIC)) == code
    assert ("are not done" in capsys.readouterr().err) == (code != 0)


def test_finished_runs_are_not_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    runs = runs_of(tmp_path, "seed=0,1,2")
    finished = json.loads((Path(__file__).parents[2] / "outputs/reference/lda").glob("*/record.json").__next__().read_text())
    write_files(runs[1], **finished)
    launched = []
    raising(monkeypatch, lambda runs: [launched.append(run.name) for run in runs])
    with caplog.at_level(logging.INFO):
        assert report(perform(runs, BASIC)) == 0
    assert launched == ["seed=0", "seed=2"]
    assert "1 of 3 runs are done already" in caplog.text
    launched.clear()
    assert report(perform(runs_of(tmp_path, "seed=1", "rerun=true"), BASIC)) == 0
    assert len(launched) == 1


def test_finished_runs_are_compared_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = runs_of(tmp_path, "seed=0,1,2")
    paths = sorted((Path(__file__).parents[2] / "outputs/reference/lda").glob("newsgroups-lda-rsvi-*-seed1-*/record.json"))
    write_files(runs[0], **json.loads(paths[0].read_text()))
    compare([Outcome(run) for run in runs])
    assert not capsys.readouterr().out  # nothing to compare
    write_files(runs[1], **json.loads(paths[1].read_text()))
    compare([Outcome(runs[0]), Outcome(runs[1]), Outcome(runs[2], "failed", "no")])
    printed = capsys.readouterr().out
    assert printed.startswith("Test perplexity, mean ± standard deviation over runs")
    assert printed.count("RSVI, B = ") == 2


def test_where_a_launcher_dies_the_records_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def die(runs: Sequence[Run]) -> list[Exception | None]:
        write_files(runs[0], "done")
        write_files(runs[1], "failed", error="it diverged")
        write_files(runs[2], "running")
        raise MemoryError("a worker was killed")

    raising(monkeypatch, die)
    runs = runs_of(tmp_path, "seed=0,1,2,3")
    write_files(runs[3], "failed", error="it diverged in an earlier sweep")
    outcomes = perform(runs, BASIC)
    why = "The launcher stopped (MemoryError: a worker was killed)."
    told = [(it.status, it.error) for it in outcomes]
    assert told == [("done", ""), ("failed", "it diverged"), ("running", why), ("not begun", why)]
    assert report(outcomes) == 1


def test_the_table_has_the_path_of_each_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first, second = runs_of(tmp_path, "seed=0,1")
    write_files(first, "failed")
    (first.directory / "traceback.txt").write_text("Traceback")
    assert report([Outcome(first, "failed", "ValueError: bad"), Outcome(second, "refused", "no\nsuch")]) == 1
    told = capsys.readouterr().err
    assert "2 of 2 runs are not done" in told
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in told.splitlines() if line.startswith("│")]
    path = str(first.directory / "traceback.txt")
    assert rows == [["seed=0", "failed", "ValueError: bad", path], ["seed=1", "refused", "no such", "–"]]


def test_a_launcher_that_is_not_installed_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(launch, "is_installed", lambda module: module != "ray")
    with pytest.raises(UserError, match=r"pip install 'irg-experiments\[ray\]'"):
        Launcher(("hydra/launcher=ray",), ConfigTree()).check()
    Launcher(("hydra/launcher=joblib",), ConfigTree()).check()


def test_paths_in_hydras_grammar():
    assert quoted(Path("/tmp/it's = here, [1]")) == "'/tmp/it\\'s = here, [1]'"
