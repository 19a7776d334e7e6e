import hashlib
from pathlib import Path

import pytest

from irg_experiments.data.download import RemoteFile, fetch
from irg_experiments.errors import UserError


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "origin.txt"
    path.write_text("content")
    return path


def remote(origin: Path, sha256: str | None = None) -> RemoteFile:
    mirrors = ((origin.parent / "gone.txt").as_uri(), origin.as_uri())
    return RemoteFile("set/file.txt", sha256 or hashlib.sha256(origin.read_bytes()).hexdigest(), mirrors)


def test_downloads_from_the_first_mirror_that_has_it(origin: Path, tmp_path: Path):
    path = fetch(remote(origin), tmp_path / "root")
    assert path.read_text() == "content"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_file_that_is_there_is_not_downloaded(origin: Path, tmp_path: Path):
    file = remote(origin)
    fetch(file, tmp_path)
    origin.unlink()
    assert fetch(file, tmp_path).read_text() == "content"


def test_missing_everywhere_names_file_mirrors_root_and_the_embedded_data(origin: Path, tmp_path: Path):
    file = remote(origin)
    origin.unlink()
    with pytest.raises(UserError) as error:
        fetch(file, tmp_path / "root")
    for part in (str(tmp_path / "root" / "set" / "file.txt"), *file.mirrors, "data.root", "data=bars"):
        assert part in str(error.value)


def test_wrong_checksum_of_a_present_file_is_named_and_nothing_overwritten(origin: Path, tmp_path: Path):
    file = remote(origin)
    path = tmp_path / file.path
    path.parent.mkdir()
    path.write_text("something else")
    with pytest.raises(UserError, match=r"file\.txt is damaged or incomplete: it has SHA-256"):
        fetch(file, tmp_path)
    assert path.read_text() == "something else"


def test_wrong_checksum_of_a_download_is_refused(origin: Path, tmp_path: Path):
    with pytest.raises(UserError, match="instead of 00"):
        fetch(remote(origin, "00"), tmp_path / "root")
    assert not list((tmp_path / "root" / "set").iterdir())
