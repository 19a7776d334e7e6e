"""The files of a run that goes on: checkpoints, and errors in writing."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from irg_experiments.errors import UserError

CURRENT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


def has_checkpoint(directory: Path) -> bool:
    """Whether a run of the directory has a state to go on from."""
    return any((directory / name).is_file() for name in (CURRENT, PREVIOUS))


def set_aside(path: Path, suffix: str) -> Path:
    """Renames a file or folder to ``path`` with a suffix, in place of what has that name. Returns the new path."""
    aside = path.with_name(path.name + suffix)
    with writing(aside):
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
        elif path.is_dir():
            aside.unlink(missing_ok=True)
        path.replace(aside)
    return aside


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError within the block, such as a full disk, into a UserError that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"Could not write {path} ({error.strerror or error}). Free disk space or make the folder writable, then repeat the "
            "command: it resumes from the last checkpoint."
        ) from error
