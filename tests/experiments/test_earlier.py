"""Runs whose directory holds an earlier one: of other code, to be repeated, interrupted, or damaged."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.errors import RunFailedError, UserError
from tests.experiments import tiny
from tests.experiments.tiny import Tiny, record_of, run


def test_a_finished_run_of_other_code_is_said_to_be_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    directory = run(tmp_path)
    path = directory / "record.json"
    path.write_text(json.dumps({**record_of(directory), "git_commit": "a" * 40}))
    with caplog.at_level(logging.INFO):
        run(tmp_path)
    assert "by other code (commit aaaaaaa, this is " in caplog.text


def test_a_finished_run_of_an_edited_class_is_said_to_be_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    directory = run(tmp_path)
    record = record_of(directory)
    assert record["sources"] == {f"{tiny.__name__}.Tiny": hashlib.sha256(Path(tiny.__file__).read_bytes()).hexdigest()[:12]}
    (directory / "record.json").write_text(json.dumps({**record, "sources": {f"{tiny.__name__}.Tiny": "0" * 12}}))
    with caplog.at_level(logging.INFO):
        run(tmp_path)
    (line,) = [message for message in caplog.messages if "done already" in message]
    assert f"by other code ({tiny.__name__}.Tiny 000000000000, this is {tiny.__name__}.Tiny " in line
    assert line.endswith("; rerun=true runs it once more.")


def test_a_record_that_names_no_sources_is_not_said_to_be_of_others(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    directory = run(tmp_path)
    record = record_of(directory)
    del record["sources"]
    (directory / "record.json").write_text(json.dumps(record))
    with caplog.at_level(logging.INFO):
        run(tmp_path)
    assert "done already; rerun=true" in caplog.text


def test_rerun_keeps_the_old_run_until_the_new_one_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = run(tmp_path)
    (directory / "mine.txt").write_text("of the old run")
    monkeypatch.setattr(Tiny, "fail", True)
    for _ in range(2):
        with pytest.raises(RunFailedError):
            run(tmp_path, rerun=True)
        aside = directory.with_name(directory.name + ".replaced")
        assert (aside / "mine.txt").exists()
        assert record_of(aside)["status"] == "done"
        assert record_of(directory)["status"] == "failed"
    monkeypatch.setattr(Tiny, "fail", False)
    assert run(tmp_path, rerun=True) == directory
    assert not aside.exists()
    assert not (directory / "mine.txt").exists()


def test_rerun_of_a_link_leaves_what_it_points_to(tmp_path: Path):
    directory = run(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    directory.rename(elsewhere)
    directory.symlink_to(elsewhere)
    run(tmp_path, rerun=True)
    assert Tiny.runs == 2
    assert not directory.is_symlink()
    assert record_of(directory)["status"] == record_of(elsewhere)["status"] == "done"


def test_rerun_that_cannot_move_the_old_run_reports_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    run(tmp_path)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UserError, match="cannot be moved aside"):
        run(tmp_path, rerun=True)
    assert Tiny.runs == 1


def test_a_run_that_goes_on_from_a_checkpoint_keeps_its_start_and_names_both_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Tiny, "fail", True)
    with pytest.raises(RunFailedError):
        run(tmp_path)
    (path,) = tmp_path.rglob("record.json")
    started = "2020-01-01T00:00:00+00:00"
    before = json.dumps({**record_of(path.parent), "git_commit": "b" * 40, "started": started, "compile": "off"})
    path.write_text(before)
    monkeypatch.setattr(Tiny, "fail", False)
    record = record_of(run(tmp_path))
    assert record["earlier_code"] == []
    assert record["started"] > started
    path.write_text(before)
    (path.parent / "checkpoint.pt").write_text("")
    record = record_of(run(tmp_path))
    assert record["earlier_code"] == ["commit bbbbbbb"]
    assert record["started"] == started


def test_a_record_of_a_later_version_is_never_overwritten(tmp_path: Path):
    directory = run(tmp_path)
    content = '{"schema_version": 99, "status": "done", "config": {}}'
    (directory / "record.json").write_text(content)
    with pytest.raises(UserError, match=r"record\.json cannot be read: its schema_version is 99.*rerun=true"):
        run(tmp_path)
    assert (directory / "record.json").read_text() == content


# what is in the record's place, by what is wrong with it
DAMAGED: dict[str, Any] = {
    "cut short": b"{",
    "binary": bytes(range(256)),
    "a list": b"[]",
    "empty": b"{}",
    "a number": b"1",
    "deep": b"[" * 100_000,
    "a folder": None,
    "no start": lambda record: {**record, "started": ...},
    "no metrics": lambda record: {**record, "metrics": ...},
    "empty metrics": lambda record: {**record, "metrics": {}},
    "a number for a config": lambda record: {**record, "config": 1},
    "a target that is none": lambda record: {**record, "schema_version": 1, "experiment": []},
}


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_record_is_named_and_moved_aside(
    tmp_path: Path, damage: str, resumed: bool, caplog: pytest.LogCaptureFixture
):
    directory = run(tmp_path)
    path, content = directory / "record.json", DAMAGED[damage]
    if callable(content):
        content = json.dumps({key: value for key, value in content(record_of(directory)).items() if value is not ...}).encode()
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    if resumed:
        (directory / "checkpoint.pt").write_text("")
    (directory / "record.json.damaged").write_text("of an earlier accident")
    caplog.clear()
    assert run(tmp_path) == directory
    assert record_of(directory)["status"] == "done"
    assert Tiny.runs == 2
    aside = directory / "record.json.damaged"
    assert aside.is_dir() if content is None else aside.read_bytes() == content
    (line,) = [message for message in caplog.messages if "damaged" in message]
    assert line.startswith(f"{path} is damaged: ")
    assert line.endswith(
        f"moved to record.json.damaged, and the run {'goes on from its checkpoint' if resumed else 'is repeated'}."
    )
    assert "\n" not in line


def test_rerun_over_a_record_that_cannot_be_read_keeps_it_until_the_new_run_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    directory = run(tmp_path)
    (directory / "record.json").write_text("{")
    monkeypatch.setattr(Tiny, "fail", True)
    with pytest.raises(RunFailedError):
        run(tmp_path, rerun=True)
    assert (directory.with_name(directory.name + ".replaced") / "record.json").read_text() == "{"
