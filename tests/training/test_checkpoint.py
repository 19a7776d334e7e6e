import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from irg_experiments.errors import UserError
from irg_experiments.training.checkpoint import restore_checkpoint, save_checkpoint


def restored(directory: Path) -> Any:
    """The content of the newest usable checkpoint, or None."""
    contents: list[Any] = []
    return contents[0] if restore_checkpoint(directory, contents.append) else None


def save_two(directory: Path):
    for step in (1, 2):
        save_checkpoint(directory, {"step": step, "tensor": torch.zeros(1000)})


def test_the_newest_is_restored(tmp_path: Path):
    assert restored(tmp_path) is None
    save_two(tmp_path)
    assert restored(tmp_path)["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "directory"])
def test_a_damaged_one_is_named_and_the_one_before_it_used(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture):
    save_two(tmp_path)
    path = tmp_path / "checkpoint.pt"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[content.find(bytes(3000)) + 500] ^= 255
    if damage == "directory":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(b"" if damage == "empty" else content)
    assert restored(tmp_path)["step"] == 1
    assert "checkpoint.pt, which is unusable" in caplog.text
    # the damaged one is out of the way: the next checkpoint does not push it over the good one
    save_checkpoint(tmp_path, {"step": 3})
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    assert restored(tmp_path)["step"] == 1


def test_checkpoints_hold_no_code(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    torch.save({"step": 1, "path": Path("x")}, tmp_path / "checkpoint.pt")
    (tmp_path / "checkpoint.previous.pt").write_bytes(pickle.dumps({"step": 1}))
    assert restored(tmp_path) is None
    assert "UnpicklingError" in caplog.text
    assert "checkpoint.previous.pt, which is unusable (BadZipFile" in caplog.text
    assert "training starts from the beginning" in caplog.messages[-1]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_earlier_checkpoints(tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch):
    save_two(tmp_path)

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(UserError, match=r"checkpoint\.pt \(No space left on device\)\. Free disk space"):
        save_checkpoint(tmp_path, {"step": 3})
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]
    assert restored(tmp_path)["step"] == 2
