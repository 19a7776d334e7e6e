import json
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.config import ConfigTree
from irg_experiments.config.command_line import Arguments, resolved
from irg_experiments.config.composition import compose
from irg_experiments.config.identity import identity
from irg_experiments.experiments.runner import make_experiment
from irg_experiments.results.aggregate import words_of
from irg_experiments.results.collect import collect, load_record
from irg_experiments.results.record import git_commit, new_record, read_record, write_record

REFERENCE = Path(__file__).parents[2] / "outputs" / "reference"
CONFIG: dict[str, Any] = {
    "_target_": "irg_experiments.experiments.lda.LDAExperiment",
    "experiment": "lda",
    "method": {"name": "implicit"},
    "data": {"name": "bars", "root": "data"},
    "model": {"name": "lda"},
    "training": {"steps": 10},
    "budget": "smoke",
    "seed": 0,
}


def fresh() -> dict[str, Any]:
    return new_record(CONFIG, "01234567", "89abcdef", "irg-run", "cpu", "off")


def test_record_round_trip(tmp_path: Path):
    record = fresh()
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert (record["schema_version"], record["status"], record["steps"]) == (2, "running", 10)
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_record(tmp_path, fresh())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_record(tmp_path, {**fresh(), "status": "done"})
    assert json.loads((tmp_path / "record.json").read_text())["status"] == "running"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("content", [b'{"sta', b"\xff\xfe", b"[]", b"{}", b"3", b"[" * 100_000, b'{"status": "done"}'])
def test_unreadable_records_are_none(tmp_path: Path, content: bytes):
    assert read_record(tmp_path) is None
    (tmp_path / "record.json").write_bytes(content)
    assert read_record(tmp_path) is None
    assert load_record(tmp_path) is None


@pytest.mark.parametrize("version", [3, 0, True, "2", None])
def test_a_record_of_another_schema_is_left_out(tmp_path: Path, version: object, caplog: pytest.LogCaptureFixture):
    write_record(tmp_path, {**fresh(), "schema_version": version})
    assert load_record(tmp_path) is None
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / 'record.json'} is left out: its schema_version is ")
    assert message.endswith("and this version of irg-experiments reads 1 and 2.")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("seed", "0", "seed must be a whole number from 0 to 4294967295, not '0'."),
        ("status", "finished", "status must be running, done, failed or interrupted, not 'finished'."),
        ("metrics", None, "metrics must be a section, not null."),
        ("metrics", {"a": {"b": [1.0, "x"]}}, "metrics.a.b.1 must be a number, not 'x'."),
        ("config", None, "config must be a section with the keys _target_, not null."),
        ("config", {}, "config._target_ is missing: it must be text."),
        ("started", 3, "started must be text, not 3."),
        ("versions", {"torch": 2}, 'versions must be a section of text, not {"torch": 2}.'),
    ],
)
def test_a_field_of_a_wrong_type_is_named(
    tmp_path: Path, field: str, value: object, reason: str, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "record.json").write_text(json.dumps({**fresh(), field: value}))
    assert load_record(tmp_path) is None
    assert caplog.messages == [f"{tmp_path / 'record.json'} is left out: {reason}"]


@pytest.mark.parametrize("field", sorted(fresh().keys() - {"schema_version", "status", "config", "sources"}))
def test_a_field_that_is_missing_is_named(tmp_path: Path, field: str, caplog: pytest.LogCaptureFixture):
    (tmp_path / "record.json").write_text(json.dumps({name: value for name, value in fresh().items() if name != field}))
    assert load_record(tmp_path) is None
    assert f"is left out: {field} is missing" in caplog.text


def test_commit_is_a_hash():
    commit = git_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40


@pytest.mark.parametrize(
    "directory", [path.parent for path in sorted(REFERENCE.rglob("record.json"))], ids=lambda path: path.name
)
def test_committed_records_are_what_their_commands_run_today(directory: Path):
    record = load_record(directory)
    assert record is not None
    assert record["status"] == "done"
    overrides = tuple(words_of(record)[1:])
    settings = make_experiment(resolved(compose(Arguments(overrides))), ConfigTree()).config
    assert identity(settings) == record["identity"]
    assert directory.name.endswith(record["identity"])


def test_each_run_is_collected_once(tmp_path: Path):
    (tmp_path / "a").mkdir()
    write_record(tmp_path / "a", fresh())
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert len(collect([tmp_path, tmp_path / "a"])) == 1
    (tmp_path / "a").rename(tmp_path / "a.replaced")
    (tmp_path / "c").mkdir()
    write_record(tmp_path / "c", fresh())
    assert [path.name for path, _ in collect([tmp_path])] == ["c"]
