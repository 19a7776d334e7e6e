"""One downloader: from a list of mirrors, with a progress bar, written whole or not at all, checked by a checksum."""

import hashlib
import http.client
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from irg_experiments.errors import UserError

TIMEOUT_SECONDS = 20
CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Args:
        path: below the data root.
        checksum: hexadecimal.
        mirrors: where it can be had.
        algorithm: of the checksum: sha256 or md5.
        embedded: the data set that runs without it.
        content: what of the file's bytes the checksum is of; all of them when None.
    """

    path: str
    checksum: str
    mirrors: tuple[str, ...]
    algorithm: str = "sha256"
    embedded: str = "bars"
    content: Callable[[bytes], bytes] | None = None

    def checksum_of(self, path: Path) -> str:
        """The hexadecimal checksum that the file at ``path`` has."""
        data = path.read_bytes()
        return hashlib.new(self.algorithm, data if self.content is None else self.content(data)).hexdigest()

    def verify(self, path: Path) -> None:
        """Raises UserError, which names the file at ``path``, unless it has the checksum; it is left alone."""
        if (found := self.checksum_of(path)) != self.checksum:
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


def _download(file: RemoteFile, root: Path) -> None:
    path = root / file.path
    partial = path.with_name(path.name + ".partial")
    failures = []
    for url in file.mirrors:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _transfer(url, partial, file.path)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url} ({error})")
            continue
        if (found := file.checksum_of(partial)) == file.checksum:
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
        announced = int(response.headers.get("Content-Length", 0)) or None
        task = progress.add_task(label, total=announced)
        while chunk := response.read(CHUNK):
            out.write(chunk)
            progress.advance(task, len(chunk))
        # http.client says so itself only of a body that comes in chunks
        if announced is not None and out.tell() < announced:
            raise OSError(f"cut off after {out.tell():,} of {announced:,} bytes")
