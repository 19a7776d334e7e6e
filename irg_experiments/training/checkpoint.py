"""Checkpoints that survive a kill at any instant: each is written as a whole, and the one before it is kept."""

import io
import logging
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from irg_experiments.files import written_whole
from irg_experiments.training import interruption
from irg_experiments.training.files import CURRENT, PREVIOUS, set_aside, writing

log = logging.getLogger(__name__)


def save_checkpoint(directory: Path, state: dict[str, Any]) -> None:
    """Writes the state to ``checkpoint.pt`` in one atomic step, after renaming the old one to ``checkpoint.previous.pt``.

    Raises:
        UserError: it cannot be written; the earlier checkpoints are unchanged.
    """
    current = directory / CURRENT
    content = io.BytesIO()  # when a disk becomes full, torch.save to a file may raise an error that does not mention it
    torch.save(state, content)
    with interruption.completed(), writing(current), written_whole(current) as temporary:
        with temporary.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        if current.exists():
            current.replace(directory / PREVIOUS)


def restore_checkpoint(directory: Path, restore: Callable[[Any], None]) -> bool:
    """Restores the newest usable checkpoint of the directory.

    An unusable one is named in the log and renamed to ``<name>.unusable``, so that it never replaces a good one.

    Args:
        directory: of the run.
        restore: takes the content of a checkpoint, which may be anything, and raises an exception if that is unusable.

    Returns:
        Whether there was a usable checkpoint.
    """
    unusable = False
    for path in (directory / CURRENT, directory / PREVIOUS):
        if not path.exists():
            continue
        try:
            restore(_load(path))
        except Exception as error:  # damaged files and states of other models raise errors of all kinds
            log.warning("Skipping checkpoint %s, which is unusable (%s).", path, _one_line(error))
            set_aside(path, ".unusable")
            unusable = True
        else:
            return True
    if unusable:
        log.warning("There is no usable checkpoint in %s: training starts from the beginning.", directory)
    return False


def _load(path: Path) -> Any:
    if not path.is_file():
        raise ValueError("not a file")
    # torch.load does not compare the archive's checksums
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"wrong checksum of {damaged}")
    return torch.load(path, map_location="cpu", weights_only=True)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no details"
    return f"{type(error).__name__}: {text[:200]}"
