import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

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


@pytest.fixture(params=["Content-Length: 1000", "Transfer-Encoding: chunked"])
def broken_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that announces 1,000 bytes, sends five, and hangs up."""
    header, value = request.param.split(": ")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header(header, value)
            self.end_headers()
            self.wfile.write(b"01010" if header == "Content-Length" else b"3e8\r\n01010")

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_download_that_is_cut_off_is_told_in_one_line(broken_server: str, origin: Path, tmp_path: Path):
    url = f"{broken_server}/file.txt"
    sha256 = hashlib.sha256(origin.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=r"cut off after 5 of 1,000 bytes|IncompleteRead") as error:
        fetch(RemoteFile("set/file.txt", sha256, (url,)), tmp_path)
    assert url in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "set" / "file.txt").exists()
    assert fetch(RemoteFile("set/file.txt", sha256, (url, origin.as_uri())), tmp_path).read_text() == "content"


def test_a_checksum_may_be_of_what_a_file_holds(origin: Path, tmp_path: Path):
    sha256 = hashlib.sha256(b"tent").hexdigest()
    file = RemoteFile("file.txt", sha256, (origin.as_uri(),), content=lambda data: data[3:])
    origin.write_text("bintent")
    assert fetch(file, tmp_path / "root").read_text() == "bintent"
    (tmp_path / "root" / "file.txt").write_text("content?")
    with pytest.raises(UserError, match=r"damaged or incomplete"):
        fetch(file, tmp_path / "root")


def test_wrong_checksum_of_a_download_is_refused(origin: Path, tmp_path: Path):
    with pytest.raises(UserError, match="instead of 00"):
        fetch(remote(origin, "00"), tmp_path / "root")
    assert not list((tmp_path / "root" / "set").iterdir())
