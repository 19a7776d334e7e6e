"""Checkpoints that survive a kill at any instant: written whole or not at all, the one before kept."""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

CURRENT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


def save_checkpoint(directory: Path, state: dict[str, Any]) -> None:
    """Writes the state to ``checkpoint.pt`` in one atomic step, after moving the one before to ``checkpoint.previous.pt``."""
    temporary = directory / f"{CURRENT}.tmp"
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    current = directory / CURRENT
    if current.exists():
        current.replace(directory / PREVIOUS)
    temporary.replace(current)


def load_checkpoint(directory: Path) -> dict[str, Any] | None:
    """The newest undamaged checkpoint of the directory, or None. A damaged one is named in the log and passed over."""
    for name in (CURRENT, PREVIOUS):
        path = directory / name
        if not path.exists():
            continue
        try:
            return _load(path)
        except (OSError, RuntimeError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            log.warning("%s is damaged (%s); trying the checkpoint before it.", path, str(error).splitlines()[0])
    return None


def _load(path: Path) -> dict[str, Any]:
    # torch.load reads tensors without comparing checksums, so the archive's own are verified first
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"wrong checksum of {damaged}")
    return torch.load(path, map_location="cpu", weights_only=True)
