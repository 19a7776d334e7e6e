import json
import math
import threading
from pathlib import Path

import pytest

from irg_experiments.errors import UserError
from irg_experiments.training.metrics_log import MetricsLog, read_metrics


def write_and_close(directory: Path, resume_step: int = 0):
    log = MetricsLog(directory, resume_step)
    log.write(resume_step + 1, {"train_loss": 1.0})
    log.close()


def test_what_is_no_row_is_skipped(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    lines = [
        b'{"step": 1}',
        b"[1]",
        b"5",
        b"null",
        b'{"loss": 2}',
        b'{"step": true}',
        b'{"step": "1"}',
        b"\xff\x00\xfe",
        b"[" * 10**5,
    ]
    path.write_bytes(b"\n".join([*lines, b'{"step": 2, "loss": NaN}', b'{"step": 3, "lo']))
    assert read_metrics(path) == [{"step": 1}, {"step": 2, "loss": None}]
    write_and_close(tmp_path, resume_step=1)
    assert read_metrics(path) == [{"step": 1}, {"step": 2, "train_loss": 1.0}]


def test_values_that_are_not_finite_are_null_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    log = MetricsLog(tmp_path, 0)
    log.write(7, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.5})
    log.close()
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail) == {"step": 7, "a": None, "b": None, "c": None, "d": 1.5}
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} is {value} at step 7: recorded as null." for name, value in (("a", "nan"), ("b", "inf"), ("c", "-inf"))
    ]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path)  # a directory where the file belongs
    with pytest.raises(UserError, match=r"Could not write .*metrics\.jsonl"):
        MetricsLog(tmp_path / "missing", 0)


def test_without_tensorboard_the_metrics_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "tensorboard").write_text("a file where the folder belongs")
    write_and_close(tmp_path)
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1
    assert len(caplog.records) == 1
    assert "without TensorBoard" in caplog.text


def test_an_error_in_the_thread_of_tensorboard_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from tensorboard.summary.writer.record_writer import RecordWriter

    def full(self: RecordWriter, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    hook = threading.excepthook
    log = MetricsLog(tmp_path, 0)
    monkeypatch.setattr(RecordWriter, "write", full)
    log._tensorboard._writer.add_scalar("a", 1.0)
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("tensorboard."):
            thread.join()
    log.write(1, {"a": 1.0})
    log.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"Could not write {tmp_path / 'tensorboard'} ([Errno 28] No space left on device): "
        "this run continues without TensorBoard."
    ]
    assert capsys.readouterr().err == ""
    assert threading.excepthook is hook
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1


ROW = b'{"step": 1, "train_loss": 2.0}\n'


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "the place of a file, but is a folder"),
        (ROW + bytes(range(256)), "lines that are no rows of metrics (3)"),
        (ROW + b"\xff\x00", "lines that are no rows of metrics (1)"),
        (ROW + b'{"epoch": 3, "loss": 1.0}\n' + b'{"step": 1, "loss": "low"}\n', "lines that are no rows of metrics (2)"),
    ],
)
def test_a_damaged_file_is_named_and_moved_aside(
    tmp_path: Path, content: bytes | None, found: str, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "metrics.jsonl"
    if content is None:
        path.mkdir()
        assert read_metrics(path) == []
    else:
        path.write_bytes(content)
    write_and_close(tmp_path, resume_step=1)
    kept = [] if content is None else [{"step": 1, "train_loss": 2.0}]
    assert read_metrics(path) == [*kept, {"step": 2, "train_loss": 1.0}]
    assert caplog.messages == [f"{path} has {found}. It was moved to metrics.jsonl.damaged; {len(kept)} rows of it are kept."]
    aside = tmp_path / "metrics.jsonl.damaged"
    assert aside.is_dir() if content is None else aside.read_bytes() == content


@pytest.mark.parametrize("cut", [b"", b'{"st', b'{"step": 2, "train_loss": 1.'])
def test_a_last_line_that_was_cut_short_is_no_damage(tmp_path: Path, cut: bytes, caplog: pytest.LogCaptureFixture):
    (tmp_path / "metrics.jsonl").write_bytes(ROW + cut)
    write_and_close(tmp_path, resume_step=1)
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2]
    assert not caplog.messages
