"""What all experiments share: directories, records, failure, what is shown."""

import contextlib
import locale
import math
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from irg_experiments.errors import Interrupted, LeaseLostError, RunFailedError, UserError
from irg_experiments.experiments import runner
from irg_experiments.experiments.lease import Lease, leased
from irg_experiments.experiments.protocol import Result
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table
from tests.experiments.tiny import Tiny, record_of, run


def test_a_record_says_what_ran_where_and_by_which_code(tmp_path: Path):
    record = record_of(run(tmp_path))
    assert (record["schema_version"], record["status"], record["compile"], record["error"]) == (2, "done", "off", None)
    assert record["metrics"] == {"value": 2.0, "parts": {"odd": 1.0}}
    assert {"cpu", "cores", "instruction_set", "threads"} <= record["machine"].keys()
    assert {"irg_experiments", "torch", "python", "numpy"} <= record["versions"].keys()
    assert record["git_commit"] is None or len(record["git_commit"].removesuffix("-dirty")) == 40


def test_a_finished_run_is_shown_again_from_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    directory = run(tmp_path)
    first = capsys.readouterr().out
    assert run(tmp_path) == directory
    assert capsys.readouterr().out == first
    assert Tiny.runs == 1
    assert "figures/one.png" in first
    assert "2.0" in first
    shutil.rmtree(directory / "figures")
    run(tmp_path)
    assert {path.name for path in (directory / "figures").iterdir()} == {"one.png", "two.png"}


def test_the_directory_depends_on_what_can_change_the_result_alone(tmp_path: Path):
    directory = run(tmp_path)
    assert run(tmp_path, every=11) == directory
    assert run(tmp_path, value=2) == directory
    assert run(tmp_path, added_later=3) == directory
    assert run(tmp_path, output=str(tmp_path / "elsewhere")).name == directory.name
    assert len({directory.name, *(run(tmp_path, **it).name for it in ({"value": 3.0}, {"added_later": 4}, {"seed": 1}))}) == 4


def test_clock_host_and_locale_leave_the_directory_and_the_metrics_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here, usual = run(tmp_path / "here"), locale.setlocale(locale.LC_ALL)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    for name, value in (("TZ", "Pacific/Kiritimati"), ("LC_ALL", "C"), ("LANG", "C"), ("HOSTNAME", "elsewhere"), ("USER", "ü")):
        monkeypatch.setenv(name, value)
    time.tzset()
    locale.setlocale(locale.LC_ALL, "C")
    try:
        there = run(tmp_path / "there")
    finally:
        monkeypatch.undo()
        time.tzset()
        locale.setlocale(locale.LC_ALL, usual)
    assert there.name == here.name
    for name in ("identity", "group", "metrics"):
        assert record_of(there)[name] == record_of(here)[name]


@pytest.mark.parametrize("name", ["日本", "a b", 'it\'s "quoted"', "a=b", "[1]*?", "%s {}"])
def test_an_output_folder_may_have_any_name(tmp_path: Path, name: str):
    directory = run(tmp_path, output=str(tmp_path / name))
    assert directory.parents[1] == tmp_path / name
    assert run(tmp_path, output=str(tmp_path / name)) == directory
    assert Tiny.runs == 1
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]


def test_repetitions_share_their_group(tmp_path: Path):
    first, second, other = (record_of(run(tmp_path, **it)) for it in ({}, {"seed": 1}, {"value": 3.0}))
    assert first["group"] == second["group"] != other["group"]
    assert first["identity"] != second["identity"]


def test_a_metric_that_is_not_finite_is_null_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    record = record_of(run(tmp_path, value=13.0))
    assert record["status"] == "done"
    assert record["metrics"] == {"value": 13.0, "parts": {"odd": None}}
    assert record["non_finite"] == {"parts.odd": "inf"}
    assert "parts.odd is inf" in caplog.text


def test_a_figure_that_fails_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(Tiny, "bad_figure", True)
    directory = run(tmp_path)
    assert record_of(directory)["status"] == "done"
    assert [path.name for path in (directory / "figures").iterdir()] == ["two.png"]
    assert "one.png could not be drawn (ZeroDivisionError: no ink)" in caplog.text


def test_a_figures_folder_that_cannot_be_written_costs_the_figures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    directory = run(tmp_path)
    shutil.rmtree(directory / "figures")
    (directory / "figures").write_text("in the way")
    run(tmp_path)
    assert caplog.text.count("could not be drawn") == 2
    assert record_of(directory)["status"] == "done"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), UnicodeEncodeError("ascii", "µ", 0, 1, "no")])
def test_output_that_cannot_be_printed_costs_the_text_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
):
    def refuse(table: Table) -> None:
        raise error

    monkeypatch.setattr(runner, "print_table", refuse)
    monkeypatch.setattr("irg_experiments.results.console.discard_the_rest", lambda: None)
    directory = run(tmp_path)
    assert record_of(directory)["status"] == "done"
    assert (directory / "figures" / "two.png").exists()
    assert "could not be printed" in caplog.text


def test_an_unexpected_error_leaves_its_traceback_in_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Tiny, "fail", True)
    with pytest.raises(RunFailedError, match=r"KeyError: 'lost'\. The traceback is in .*traceback\.txt"):
        run(tmp_path)
    (path,) = tmp_path.rglob("traceback.txt")
    assert "KeyError" in path.read_text()
    record = record_of(path.parent)
    assert (record["status"], record["error"]) == ("failed", "KeyError: 'lost'")


@pytest.mark.parametrize("error", [Interrupted(signal.SIGTERM), KeyboardInterrupt()])
def test_an_interrupted_run_is_recorded_and_frees_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    def interrupted(self: Tiny, directory: Path) -> Result:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Tiny, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    (path,) = tmp_path.rglob("record.json")
    assert (record_of(path.parent)["status"], record_of(path.parent)["error"]) == ("interrupted", None)
    assert [it.name for it in path.parent.parent.iterdir()] == [path.parent.name]
    assert record_of(run(tmp_path))["status"] == "done"


def full(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("fault", [full, lambda self, directory: signal.raise_signal(signal.SIGINT)])
def test_a_run_is_done_when_what_figures_need_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any):
    found = []

    def save(self: Tiny, directory: Path) -> None:
        found.append((record_of(directory)["status"], record_of(directory)["metrics"]["value"]))
        fault(self, directory)

    with monkeypatch.context() as patch:
        patch.setattr(Tiny, "save", save)
        with pytest.raises((UserError, Interrupted), match=r"\(No space left on device\)\. Free disk space|SIGINT"):
            run(tmp_path)
    assert found == [("running", 2.0)]
    run(tmp_path)
    assert Tiny.runs == 2


def test_what_figures_need_costs_them_alone_if_it_cannot_be_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def save(self: Tiny, directory: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Tiny, "save", save)
    assert record_of(run(tmp_path))["status"] == "done"
    assert "What the figures need could not be saved (ZeroDivisionError" in caplog.text


def test_a_directory_in_use_is_left_alone_but_a_finished_run_is_shown(tmp_path: Path):
    directory = run(tmp_path)
    with leased(directory):
        assert run(tmp_path) == directory
        with pytest.raises(UserError, match="is in use by process"):
            run(tmp_path, rerun=True)
    assert Tiny.runs == 1
    assert record_of(directory)["status"] == "done"


def test_a_run_that_another_process_finishes_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    @contextlib.contextmanager
    def late(directory: Path) -> Iterator[Lease]:
        with monkeypatch.context() as patch:
            patch.setattr(runner, "leased", leased)
            run(tmp_path)
        with leased(directory) as held:
            yield held

    monkeypatch.setattr(runner, "leased", late)
    run(tmp_path)
    assert Tiny.runs == 1


def test_a_run_that_lost_its_directory_leaves_the_record_to_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def slow(self: Tiny, directory: Path) -> Result:
        (directory.with_name(f"{directory.name}.lease.1")).unlink()
        (directory / "record.json").write_text("of the next one")
        return Result({"value": 1.0}, wall_seconds=0.5)

    monkeypatch.setattr(Tiny, "run", slow)
    with pytest.raises(LeaseLostError):
        run(tmp_path)
    (path,) = tmp_path.rglob("record.json")
    assert path.read_text() == "of the next one"


def test_a_refusal_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Tiny, "refuse", True)
    with pytest.raises(UserError, match="Not with me"):
        run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written .*output="):
        run(tmp_path, output=str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be written"):
        run(tmp_path, output=str(tmp_path / ("x" * 300)))


def test_numbers_of_numpy_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    metrics = {"value": np.float32(0.5), "list": [np.float64(math.nan), 1.0]}
    monkeypatch.setattr(Tiny, "run", lambda self, directory: Result(metrics, wall_seconds=0.5))
    record = record_of(run(tmp_path))
    assert record["metrics"] == {"value": 0.5, "list": [None, 1.0]}
    assert record["non_finite"] == {"list.0": "nan"}


def test_tables_that_cannot_be_made_cost_themselves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    def damaged(directory: Path, record: Record) -> list[Table]:
        raise OSError("damaged file")

    monkeypatch.setattr(Tiny, "summary", damaged)
    run(tmp_path)
    assert "could not be made (OSError: damaged file)" in caplog.text
    assert "two.png" in capsys.readouterr().out


def test_threads_of_one_run_do_not_reach_the_next(tmp_path: Path):
    usual = torch.get_num_threads()
    runner._default_threads.cache_clear()
    assert record_of(run(tmp_path, threads=usual + 1))["machine"]["threads"] == usual + 1
    assert record_of(run(tmp_path))["machine"]["threads"] == usual


def test_versions_of_other_libraries_stand_beside_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    result = Result({"value": 1.0}, wall_seconds=0.5, versions={"jax": "1.2"})
    monkeypatch.setattr(Tiny, "run", lambda self, directory: result)
    record = record_of(run(tmp_path))
    assert record["versions"]["jax"] == "1.2"
    assert record["versions"]["torch"] == torch.__version__


def test_a_metric_that_is_text_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    metrics = {"value": 1.0, "parts": {"odd": "abc"}}
    monkeypatch.setattr(Tiny, "run", lambda self, directory: Result(metrics, wall_seconds=0.5, steps_per_second=math.inf))
    record = record_of(run(tmp_path))
    assert (record["status"], record["metrics"]) == ("done", {"value": 1.0, "parts": {"odd": None}})
    assert record["non_finite"] == {"parts.odd": "abc", "steps_per_second": "inf"}
    assert "parts.odd is abc; the record has null in its place" in caplog.text


def test_an_error_in_setting_up_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def prepare(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(Tiny, "prepare", prepare)
    with pytest.raises(
        RunFailedError, match=r"^Setting up the run failed \(KeyError: 'lost'\)\. IRG_FULL_ERROR=1 shows the trace"
    ):
        run(tmp_path)
    assert not list(tmp_path.rglob("record.json"))
