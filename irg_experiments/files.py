"""Files that are written whole or not at all, and folders that do not outlive a mistake."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: Path, suffix: str = ".tmp") -> Iterator[Path]:
    """A temporary path beside ``path``. It is moved to ``path`` at the end of the block, or removed if the block raises.

    Args:
        path: of the file, which keeps its content until then.
        suffix: of the temporary path. Where several processes may write the same file, it must differ between them; where one
            does, a fixed suffix lets it overwrite what a killed process left.
    """
    temporary = path.with_name(path.name + suffix)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Makes the folder of ``path``. New folders that are empty at the end are removed: the path may be mistyped."""
    new = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError("permission denied")
        yield
    finally:
        for folder in new:
            with contextlib.suppress(OSError):
                folder.rmdir()
