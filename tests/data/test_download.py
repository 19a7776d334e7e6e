import gzip
import hashlib
import re
from pathlib import Path

import pytest
from rich.console import Console

from irg_experiments.data import RemoteFile, download, fetch
from irg_experiments.errors import UserError
from tests.data.conftest import Origin

CONTENT = b"content"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def file(origin: Origin) -> RemoteFile:
    """A file that the second of two mirrors has."""
    (origin.folder / "origin.txt").write_bytes(CONTENT)
    return RemoteFile("set/file.txt", SHA256, (f"{origin.url}/gone.txt", f"{origin.url}/origin.txt"))


def refused(file: RemoteFile, root: Path) -> str:
    """The one line that says why the file cannot be had."""
    with pytest.raises(UserError) as error:
        fetch(file, root)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_downloads_from_the_first_mirror_that_has_it(file: RemoteFile, tmp_path: Path):
    path = fetch(file, tmp_path / "new" / "root")
    assert path == tmp_path / "new" / "root" / "set" / "file.txt"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_download_may_be_read_by_others(file: RemoteFile, tmp_path: Path):
    usual = tmp_path / "usual"
    usual.touch()
    assert fetch(file, tmp_path / "root").stat().st_mode == usual.stat().st_mode


def test_redirects_are_followed(file: RemoteFile, origin: Origin, tmp_path: Path):
    moved = RemoteFile(file.path, SHA256, (f"{origin.url}/redirect/origin.txt",))
    assert fetch(moved, tmp_path / "root").read_bytes() == CONTENT


def test_an_existing_file_is_not_downloaded(file: RemoteFile, origin: Origin, tmp_path: Path):
    fetch(file, tmp_path)
    (origin.folder / "origin.txt").unlink()
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_a_packed_file_stays_packed_if_the_server_declares_it_an_encoding(origin: Origin, tmp_path: Path):
    (origin.folder / "plain").write_bytes(CONTENT)
    packed = gzip.compress(CONTENT, mtime=0)
    file = RemoteFile("file.gz", f"md5:{hashlib.md5(packed).hexdigest()}", (f"{origin.url}/declared/plain",))
    assert fetch(file, tmp_path / "root").read_bytes() == packed


def test_missing_everywhere_names_file_mirrors_root_and_an_offline_data_set(file: RemoteFile, tmp_path: Path):
    nowhere = RemoteFile(file.path, SHA256, (file.mirrors[0], "http://127.0.0.1:1/file.txt"))
    message = refused(nowhere, tmp_path / "mistyped" / "root")
    path = tmp_path / "mistyped" / "root" / "set" / "file.txt"
    for part in (str(path), *nowhere.mirrors, "404", "onnection refused", "data.root", "IRG_DATA", "data=bars"):
        assert part in message
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("loop", "30 redirects"),
        ("astray", r"origin\.txt \(.*URL"),
        ("scheme", "gopher"),
        ("short", "its checksum is"),
        ("cut", r"IncompleteRead\(5 bytes read, 995 more expected\)|its checksum is"),
        ("chunked", "IncompleteRead|ended prematurely"),
        ("length", "many|its checksum is"),
        ("silent", "timed out"),
    ],
)
def test_a_faulty_server_is_reported_and_the_next_mirror_is_used(
    fault: str, reason: str, file: RemoteFile, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = f"{origin.url}/{fault}/origin.txt"
    with monkeypatch.context() as patch:
        patch.setattr(download, "TIMEOUT_SECONDS", 0.1 if fault == "silent" else 60)
        message = refused(RemoteFile(file.path, SHA256, (url,)), tmp_path / "root")
    assert url in message
    assert re.search(reason, message), message
    assert not (tmp_path / "root").exists()
    if fault != "silent":
        assert fetch(RemoteFile(file.path, SHA256, (url, file.mirrors[1])), tmp_path / "root").read_bytes() == CONTENT


def test_a_wrong_checksum_of_a_download_is_refused(file: RemoteFile, tmp_path: Path):
    other = RemoteFile(file.path, "md5:00", file.mirrors)
    assert f"its checksum is md5:{hashlib.md5(CONTENT).hexdigest()}, not md5:00" in refused(other, tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_wrong_checksum_of_an_existing_file_is_reported_and_nothing_is_overwritten(file: RemoteFile, tmp_path: Path):
    path = tmp_path / file.path
    path.parent.mkdir()
    path.write_text("something else")
    message = refused(file, tmp_path)
    assert f"{path} is damaged or incomplete" in message
    assert "Nothing was overwritten" in message
    assert path.read_text() == "something else"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_the_place_of_a_file_is_reported(file: RemoteFile, tmp_path: Path):
    (tmp_path / file.path).mkdir(parents=True)
    assert "file.txt is a folder" in refused(file, tmp_path)


def test_a_broken_link_is_not_overwritten(file: RemoteFile, tmp_path: Path):
    path = tmp_path / file.path
    path.parent.mkdir()
    path.symlink_to(tmp_path / "absent")
    assert "file.txt is not a regular file" in refused(file, tmp_path)
    assert path.is_symlink()


def test_an_unreadable_file_is_reported(file: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fetch(file, tmp_path)

    def denied(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # file permissions do not bind the superuser
    assert "file.txt cannot be read: Permission denied" in refused(file, tmp_path)


def test_a_root_that_is_a_file_is_reported(file: RemoteFile, tmp_path: Path):
    root = tmp_path / "root"
    root.touch()
    assert "cannot be written to" in refused(file, root)


def test_a_checksum_may_be_of_a_part_of_the_file(origin: Origin, tmp_path: Path):
    (origin.folder / "origin.txt").write_bytes(b"bin" + CONTENT)
    file = RemoteFile("file.txt", SHA256, (f"{origin.url}/origin.txt",), content=lambda data: data[3:])
    path = fetch(file, tmp_path / "root")
    assert path.read_bytes() == b"bin" + CONTENT
    path.write_bytes(CONTENT)
    assert "damaged or incomplete" in refused(file, tmp_path / "root")


def test_a_terminal_shows_progress(
    file: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    fetch(file, tmp_path / "silent")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(Console, "is_terminal", True)
    fetch(file, tmp_path / "shown")
    assert "set/file.txt" in capsys.readouterr().err
