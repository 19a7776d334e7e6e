"""One process per run directory: a lease beside it, which a heartbeat keeps fresh.

The lease of ``<directory>`` is a file ``<directory>.lease.<number>``; its content says who holds it. A lease is alive while its
process is, which another process on the same machine can see, or else while its time of modification is recent. All times are
those of the file server, so that clocks of machines need not agree. A lease that is not alive is taken over by creating the
file of the next number. The file system lets one process create it, also where directories are shared between machines and
``flock`` has no effect.
"""

import contextlib
import dataclasses
import errno
import glob
import json
import logging
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from irg_experiments.errors import LeaseLostError, UserError
from irg_experiments.files import folder_of
from irg_experiments.training import interruption

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
# errors of file systems without hard links
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
# after which the lease of a process that cannot be seen from here is free
STALE_SECONDS = 60.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
        host: name of the machine.
        machine: what tells processes of one number apart: the machine's start, and the container.
        process: its number.
        process_started: in the words of the system, so that a number that is used again is noticed; None if it does not say.
        since: when the lease began.
    """

    host: str
    machine: str
    process: int
    process_started: str | None
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"


class Lease:
    """The lease of a run directory that this process holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._heart.start()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                os.utime(self._path)
            except FileNotFoundError:
                interruption.stop(self._lost())
                return
            except OSError:  # it may pass, as of a file server that starts again
                continue

    def check(self) -> None:
        """Raises LeaseLostError if another process has taken over, as while this one was stopped for longer than a minute."""
        if not self._path.exists():
            raise self._lost()

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(
            f"{self._path} is gone: another process has taken over its run directory, perhaps while this one was stopped. "
            "This one has written nothing there since it noticed."
        )

    def release(self) -> None:
        """Frees the directory for other processes."""
        with interruption.completed():
            self._ended.set()
            self._heart.join()
            with contextlib.suppress(OSError):
                self._path.unlink()


@contextlib.contextmanager
def leased(directory: Path) -> Iterator[Lease]:
    """Within the block, no other process runs in the directory. New folders above it that stay empty are removed at the end.

    Raises:
        UserError: another process holds the lease, or it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(folder_of(directory))
            with interruption.completed():
                lease = Lease(_acquired(directory))
                stack.callback(lease.release)
        except OSError as error:
            raise UserError(unwritable(directory, error)) from error
        yield lease


def unwritable(directory: Path, error: OSError) -> str:
    """What to tell the user of a run directory that cannot be written."""
    return f"{directory} cannot be written ({error.strerror or error}). Choose another folder by output=…"


def _acquired(directory: Path) -> Path:
    while True:
        others = _leases(directory)
        _refuse_if_alive(directory, others)
        path = directory.with_name(f"{directory.name}.lease.{max(map(_number, others), default=0) + 1}")
        try:
            _create(path)
        except FileExistsError:  # another process was quicker
            continue
        try:
            # others that began before this one was to be seen; those that begin later see it
            others = [other for other in _leases(directory) if other != path]
            _refuse_if_alive(directory, others)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        for other in others:
            log.warning("Taking over from %s, which has ended without giving %s free.", _told(other), directory)
            other.unlink(missing_ok=True)
        return path


def _leases(directory: Path) -> list[Path]:
    prefix = f"{directory.name}.lease."
    paths = directory.parent.glob(f"{glob.escape(prefix)}*")
    return [path for path in paths if path.name.removeprefix(prefix).isdecimal()]


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _create(path: Path) -> None:
    """Creates the lease with its content, or raises FileExistsError."""
    content = json.dumps(dataclasses.asdict(_this_process())).encode()
    # without a buffer, whose content would be in the way of closing the file if the disk is full
    with tempfile.NamedTemporaryFile(dir=path.parent, buffering=0) as file:
        file.write(content)
        try:
            os.link(file.name, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with path.open("xb") as lease:  # others see it for a moment without its content
                try:
                    lease.write(content)
                    lease.flush()
                except OSError:
                    path.unlink()
                    raise


def _refuse_if_alive(directory: Path, leases: list[Path]) -> None:
    for path in leases:
        if _is_alive(path):
            raise UserError(
                f"{directory} is in use by {_told(path)}; it was left as it is. Wait until that process ends, or end it, then "
                f"repeat the command. (If its machine has failed: {path.name} is free a minute after its last change.)"
            )


def _is_alive(path: Path) -> bool:
    holder = _holder(path)
    if holder is not None and holder.process_started is not None and holder.machine == _machine():
        return _started(holder.process) == holder.process_started
    with contextlib.suppress(FileNotFoundError):
        return _file_server_time(path.parent) - path.stat().st_mtime < STALE_SECONDS
    return False


def _told(path: Path) -> str:
    return str(_holder(path) or f"a process that {path.name} does not name")


def _holder(path: Path) -> Holder | None:
    """None for a lease that is damaged, or whose content is not written yet."""
    try:
        holder = Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return holder if type(holder.process) is int else None


def _file_server_time(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def _this_process() -> Holder:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Holder(socket.gethostname(), _machine(), os.getpid(), _started(os.getpid()), now)


def _machine() -> str:
    """Processes with equal values see each other's numbers."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # other systems than Linux have neither
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _started(process: int) -> str | None:
    """When the process of a number started, in the words of the system; None if there is none that runs."""
    try:
        # the fields after the command, which may contain blanks and brackets
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        state, started = fields[0], fields[19]
    except OSError:
        if os.path.exists("/proc/self/stat"):
            return None
        state, started = _by_ps(process)
    return None if state[:1] in ("", "Z", "X") else started  # zombies and the dead


def _by_ps(process: int) -> tuple[str, str]:
    try:
        words = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(process)], capture_output=True, text=True).stdout.split()
    except OSError:
        return "", ""
    return (words[0], " ".join(words[1:])) if words else ("", "")
