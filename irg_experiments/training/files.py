"""Errors in writing a run's files."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from irg_experiments.errors import UserError


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
