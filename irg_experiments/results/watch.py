"""``irg-report --watch``: the page, served on this machine, which follows the runs while a sweep goes on."""

import hashlib
import logging
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from irg_experiments.errors import UserError
from irg_experiments.results.collect import run_directories
from irg_experiments.results.page import Pictures, content, html
from irg_experiments.results.record import RECORD

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PORT = 8018
# files of a run that the page is made of and that change while it goes on
CHANGING = (RECORD, "metrics.jsonl")


def watch(paths: Sequence[Path], port: int = PORT, by_code: bool = False) -> None:
    """Serves the page of the runs below the paths until Ctrl-C.

    Raises:
        UserError: the port is taken.
    """
    with server(paths, port, by_code) as serving:
        print(f"http://{HOST}:{serving.server_port}/ follows {', '.join(map(str, paths))}. Ctrl-C ends it.", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            return


def server(paths: Sequence[Path], port: int, by_code: bool = False) -> ThreadingHTTPServer:
    """A server of the page, and of the state of the runs, by which the page knows that it is out of date.

    Raises:
        UserError: the port is taken.
    """
    pages = _Pages(paths, by_code)

    class Handler(_Handler):
        def answer(self, path: str) -> tuple[str, str] | None:
            if path == "/":
                return "text/html", pages.present()
            return ("text/plain", state_of(paths)) if path == "/state" else None

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise UserError(f"Port {port} cannot be used ({error.strerror}). Choose another one by --port.") from error


def state_of(paths: Sequence[Path]) -> str:
    """A hash that changes when a run begins, logs metrics or ends."""
    found = hashlib.sha256()
    for directory in run_directories(paths):
        for name in CHANGING:
            try:
                file = (directory / name).stat()
            except OSError:
                continue
            found.update(f"{directory}/{name} {file.st_mtime_ns} {file.st_size}\n".encode(errors="surrogateescape"))
    return found.hexdigest()[:16]


class _Pages:
    """The page, made again when the runs have changed."""

    def __init__(self, paths: Sequence[Path], by_code: bool) -> None:
        self._paths, self._by_code = paths, by_code
        self._pictures = Pictures()
        self._state, self._page = "", ""
        self._one_at_a_time = threading.Lock()  # figures are drawn with settings of the whole process

    def present(self) -> str:
        with self._one_at_a_time:
            state = state_of(self._paths)
            if state != self._state:
                shown = content(self._paths, self._pictures, self._by_code)
                self._page, self._state = html(shown, self._paths, state), state
            return self._page


class _Handler(BaseHTTPRequestHandler):
    """Answers requests for this machine's own address; others may come from pages that guess it."""

    def answer(self, path: str) -> tuple[str, str] | None:
        """The content type and the text at a path; None if there is nothing."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Sends what is asked for."""
        if (self.headers.get("Host") or "").partition(":")[0] not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        found = self.answer(self.path)
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind, text = found
        body = text.encode(errors="replace")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are no news."""
        log.debug(format, *arguments)
