"""Arrays that take long to make from a data file, kept on disk as ``.npz`` files."""

import hashlib
import logging
import os
import stat
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irg_experiments.data.download import partial_suffix
from irg_experiments.files import written_whole

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]

_HASHED_BYTES = 2**26
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH  # the system lets root write to folders that lack these bits


def key_of(source: Path, *settings: object) -> str:
    """Sixteen hexadecimal digits that identify a file, by its size and its first 64 MiB, and what is made of it.

    Args:
        source: the file.
        settings: everything else that the arrays depend on, such as a version of their format.
    """
    with source.open("rb") as file:
        digest = hashlib.sha256(repr((source.stat().st_size, *settings)).encode())
        digest.update(file.read(_HASHED_BYTES))
    return digest.hexdigest()[:16]


def cached_arrays(name: str, folder: Path, make: Callable[[], Arrays], keys: Collection[str] = ()) -> Arrays:
    """The arrays of the file ``name``, made and written if there is no such file or if it is damaged.

    The file is in ``folder`` or, if that cannot be written to, in ``$XDG_CACHE_HOME/irg_experiments`` (default
    ``~/.cache/irg_experiments``). If neither can be written to, the arrays are made every time. A file that
    lacks one of ``keys`` is damaged.
    """
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "irg_experiments"
    paths = [folder / name, user_cache / name]
    arrays = _read_first(paths, keys)
    if arrays is None:
        arrays = make()
        _write_first(paths, arrays)
    return arrays


def _read_first(paths: Iterable[Path], keys: Collection[str]) -> Arrays | None:
    for path in paths:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in {*archive.files, *keys}}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except Exception as error:  # a damaged archive raises errors of many types
            log.info("%s cannot be read (%s); it is made again.", path, error)
    return None


def _write_first(paths: Iterable[Path], arrays: Arrays) -> None:
    failures = []
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.parent.stat().st_mode & _WRITABLE:
                raise PermissionError(f"{path.parent} is read-only")
            with written_whole(path, partial_suffix()) as partial, partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
        except OSError as error:
            failures.append(str(error))
        else:
            log.info("Later runs load %s.", path)
            return
    log.warning("Nothing was kept for later runs: %s.", "; ".join(failures))
