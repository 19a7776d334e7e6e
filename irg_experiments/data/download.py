"""One downloader: several mirrors, a progress bar and a checksum. A file is written whole or not at all."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irg_experiments.errors import UserError
from irg_experiments.files import folder_of, written_whole

TIMEOUT_SECONDS = 20  # of connecting, and of each pause in a transfer
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Args:
        path: path below the data root.
        checksum: "sha256:" or "md5:" and hexadecimal digits.
        mirrors: HTTP addresses, tried in this order.
        offline: name of a data set that needs no download, suggested where this file cannot be had.
        content: maps the file's bytes to those that the checksum is of; by default, to themselves.
    """

    path: str
    checksum: str
    mirrors: tuple[str, ...]
    offline: str = "bars"
    content: Callable[[bytes], bytes] | None = None

    def existing(self, root: Path) -> Path | None:
        """The path of the file below ``root``, or None if there is no such file.

        Raises:
            UserError: the file cannot be read or has a wrong checksum. It is left as it is.
        """
        path = root / self.path
        if not is_present(path):
            return None
        if (found := self.checksum_of(path)) != self.checksum:
            raise UserError(
                f"{path} is damaged or incomplete: its checksum is {found}, not {self.checksum}. Nothing was overwritten: "
                "remove the file to have it downloaded again, or set data.root to another folder."
            )
        return path

    def checksum_of(self, path: Path) -> str:
        """The checksum of the file at ``path``, in the form of ``checksum``."""
        algorithm = self.checksum.partition(":")[0]
        data = path.read_bytes()
        return f"{algorithm}:{hashlib.new(algorithm, data if self.content is None else self.content(data)).hexdigest()}"


def is_present(path: Path) -> bool:
    """Whether there is a file at ``path``.

    Raises:
        UserError: something else is there, or the file cannot be read.
    """
    if not os.path.lexists(path):
        return False
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "not a regular file"
        raise UserError(f"{path} is {kind}, but should be a data file: remove it, or set data.root to another folder.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}. Nothing was overwritten.") from error
    return True


def fetch(file: RemoteFile, root: Path) -> Path:
    """The path of the file below ``root``, which is downloaded first if it does not exist.

    Raises:
        UserError: an existing file cannot be read or has a wrong checksum (it is left as it is), or no mirror delivered it.
    """
    return file.existing(root) or _download(file, root)


def partial_suffix() -> str:
    """Of files that are not complete yet; other processes may be writing the same ones."""
    return f".{os.getpid()}.partial"


def _download(file: RemoteFile, root: Path) -> Path:
    path, failures = root / file.path, []
    try:
        with folder_of(path):
            for url in file.mirrors:
                try:
                    _download_from(url, file, path)
                    return path
                except (OSError, ValueError) as error:  # those of requests are OSErrors, those of headers ValueErrors
                    failures.append(f"{url} ({reason_of(error)})")
    except OSError as error:
        raise UserError(_missing(file, path, f"{path.parent} cannot be written to: {error}")) from error
    raise UserError(_missing(file, path, f"no mirror delivered it: {'; '.join(failures)}"))


def _missing(file: RemoteFile, path: Path, problem: str) -> str:
    return (
        f"Missing data file {path}, and {problem}. Put the file there, set data.root (or the environment variable IRG_DATA) "
        f"to a folder that holds {file.path}, or use data={file.offline}, which needs no download."
    )


def _download_from(url: str, file: RemoteFile, path: Path) -> None:
    with written_whole(path, partial_suffix()) as partial:
        _transfer(url, partial, file.path)
        if (found := file.checksum_of(partial)) != file.checksum:
            raise ValueError(f"its checksum is {found}, not {file.checksum}")


def _transfer(url: str, target: Path, label: str) -> None:
    import pooch
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        download = pooch.HTTPDownloader(
            progressbar=_Bar(progress, label),
            chunk_size=CHUNK_BYTES,
            timeout=TIMEOUT_SECONDS,
            headers={"Accept-Encoding": "identity"},
            hooks={"response": _keep_compressed},
        )
        download(url, str(target), None)


def _keep_compressed(response: Any, **_: Any) -> None:
    """Some servers declare a .gz file to be an encoding of the file in it; requests would store that one."""
    response.raw.headers.pop("Content-Encoding", None)


class _Bar:
    """A progress bar of rich with the interface that pooch asks for."""

    total = 0  # bytes; pooch sets it, to 0 if unknown

    def __init__(self, progress: Any, label: str) -> None:
        self.progress, self.task = progress, progress.add_task(label, total=None)

    def update(self, number: int) -> None:
        self.progress.update(self.task, total=self.total or None, advance=number)

    def reset(self) -> None:
        self.progress.reset(self.task)

    def close(self) -> None: ...


def reason_of(error: BaseException) -> str:
    """First line of the innermost cause, which says more than the layers of the HTTP library around it."""
    while cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = cause
    return (str(error).splitlines() or [type(error).__name__])[0]
