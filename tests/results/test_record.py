import json
from pathlib import Path

import pytest

from irg_experiments.results.record import git_commit, identity, new_record, read_record, write_record

CONFIG = {
    "experiment": "lda",
    "method": {"name": "implicit"},
    "data": {"name": "bars", "root": "data", "topics": 10},
    "model": {"name": "lda"},
    "training": {"steps": 10},
    "budget": "smoke",
    "seed": 0,
    "rerun": False,
    "output": "outputs",
}


def test_identity_ignores_places_and_nothing_else():
    moved = {**CONFIG, "rerun": True, "output": "elsewhere", "data": {**CONFIG["data"], "root": "/somewhere"}}
    assert identity(moved) == identity(CONFIG)
    for change in ({"seed": 1}, {"training": {"steps": 11}}, {"data": {**CONFIG["data"], "topics": 11}}):
        assert identity({**CONFIG, **change}) != identity(CONFIG)


def test_record_round_trip(tmp_path: Path):
    record = new_record(CONFIG, "irg-run", "cpu")
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert record["schema_version"] == 1
    assert record["status"] == "running"
    assert {"python", "torch", "numpy", "irg_experiments"} <= record["versions"].keys()
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_a_number_that_is_none_leaves_the_old_record(tmp_path: Path):
    write_record(tmp_path, {"status": "running"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path, {"metrics": float("nan")})
    assert json.loads((tmp_path / "record.json").read_text()) == {"status": "running"}


def test_unreadable_records_are_none(tmp_path: Path):
    assert read_record(tmp_path) is None
    (tmp_path / "record.json").write_text('{"sta')
    assert read_record(tmp_path) is None


def test_commit_is_a_hash():
    commit = git_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40
