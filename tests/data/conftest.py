"""A server on this machine in the place of the mirrors: no test needs the network."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest


@dataclass
class Origin:
    """Files of ``folder`` at ``url``. Below it, the first part of a path may name a fault of a server:

    - ``redirect``: sends on to the file.
    - ``loop``: redirects to itself.
    - ``astray``, ``scheme``: redirects to what is no address, or to one of another protocol.
    - ``short``: announces five of its bytes.
    - ``cut``, ``chunked``: announces 1,000 bytes, sends five and hangs up.
    - ``length``: announces a length that is not a number.
    - ``declared``: declares a packed file to be an encoding of its content.
    - ``silent``: accepts the request and never answers.
    """

    folder: Path
    url: str


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    folder, end = tmp_path / "origin", Event()
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(folder), **options)

        def do_GET(self) -> None:
            fault, _, name = self.path.strip("/").partition("/")
            if fault in ("redirect", "loop"):
                self.answer(302, {"Location": f"/{name}" if fault == "redirect" else self.path, "Content-Length": "0"})
            elif fault in ("astray", "scheme"):
                self.answer(302, {"Location": "http://[" if fault == "astray" else "gopher://nowhere", "Content-Length": "0"})
            elif fault == "short":
                self.answer(200, {"Content-Length": "5"}, (folder / name).read_bytes())
            elif fault == "cut":
                self.answer(200, {"Content-Length": "1000"}, b"01010")
            elif fault == "chunked":
                self.answer(200, {"Transfer-Encoding": "chunked"}, b"3e8\r\n01010")
            elif fault == "length":
                self.answer(200, {"Content-Length": "many"}, b"01010")
            elif fault == "declared":
                self.answer(200, {"Content-Encoding": "gzip"}, gzip.compress((folder / name).read_bytes(), mtime=0))
            elif fault == "silent":
                end.wait()
            else:
                super().do_GET()

        def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Origin(folder, f"http://127.0.0.1:{server.server_port}")
        end.set()
        server.shutdown()
        thread.join()
