"""One downloader: from a list of mirrors, with a progress bar, written whole or not at all, checked by a checksum."""

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from irg_experiments.errors import UserError

TIMEOUT_SECONDS = 20
CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set: its path below the data root, its checksum, where it can be had, and what runs without it."""

    path: str
    checksum: str
    mirrors: tuple[str, ...]
    algorithm: str = "sha256"
    embedded: str = "bars"

    def verify(self, path: Path) -> None:
        """Raises UserError, which names the file at ``path``, unless it has the checksum; it is left alone."""
        if (found := checksum(path, self.algorithm)) != self.checksum:
            raise UserError(
                f"{path} is damaged or incomplete: it has {_NAMES[self.algorithm]} {found}, not {self.checksum}. Nothing was "
                "overwritten: remove the file to have it downloaded again, or set data.root to another folder."
            )


_NAMES = {"sha256": "SHA-256", "md5": "MD5"}


def fetch(file: RemoteFile, root: Path) -> Path:
    """The path of the file below ``root``, downloaded first if it is not there.

    Raises:
        UserError: the file there has a wrong checksum (it is left alone), or no mirror could deliver it.
    """
    path = root / file.path
    if not path.exists():
        _download(file, root)
    else:
        file.verify(path)
    return path


def checksum(path: Path, algorithm: str) -> str:
    """The hexadecimal checksum of a file by one of hashlib's algorithms."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _download(file: RemoteFile, root: Path) -> None:
    path = root / file.path
    partial = path.with_name(path.name + ".partial")
    failures = []
    for url in file.mirrors:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _transfer(url, partial, file.path)
        except (OSError, urllib.error.URLError) as error:
            failures.append(f"{url} ({error})")
            continue
        if (found := checksum(partial, file.algorithm)) == file.checksum:
            partial.replace(path)
            return
        failures.append(f"{url} ({_NAMES[file.algorithm]} {found} instead of {file.checksum})")
        partial.unlink()
    raise UserError(
        f"Missing data file {path}, and no mirror delivered it: {'; '.join(failures)}. Put the file there, point data.root "
        f"(or the environment variable IRG_DATA) at a folder that holds {file.path}, or use data={file.embedded}, which runs "
        "at once and needs no download."
    )


def _transfer(url: str, target: Path, label: str) -> None:
    console = Console(stderr=True)
    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response,
        target.open("wb") as out,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task(label, total=int(response.headers.get("Content-Length", 0)) or None)
        while chunk := response.read(CHUNK):
            out.write(chunk)
            progress.advance(task, len(chunk))
