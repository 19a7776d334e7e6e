"""One process per run directory, tried with real processes."""

import contextlib
import dataclasses
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from irg_experiments.errors import LeaseLostError, UserError
from irg_experiments.experiments import lease
from irg_experiments.experiments.lease import STALE_SECONDS, leased
from irg_experiments.training import interruption
from tests.command_line import ROOT

PATIENCE = 60.0  # seconds after which a test fails rather than waiting on

# for each line that it reads, a process takes the lease, says whether it could, and frees it after the next line
CHILD = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from irg_experiments.errors import UserError
from irg_experiments.experiments.lease import leased
print("ready", flush=True)
for _ in sys.stdin:
    try:
        with leased(Path(sys.argv[1])):
            print("held", flush=True)
            sys.stdin.readline()
    except UserError as error:
        print(error, flush=True)
        sys.stdin.readline()
    print("free", flush=True)
"""


class Child:
    """A process of its own."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")


@contextlib.contextmanager
def children(number: int, directory: Path) -> Iterator[list[Child]]:
    started = [Child(directory) for _ in range(number)]
    try:
        assert [child.said() for child in started] == ["ready"] * number
        yield started
    finally:
        for child in started:
            child.process.kill()
            child.process.communicate()


def left(directory: Path, number: int = 1, age: float = 0.0, **changes: object) -> Path:
    """A lease that another process left so many seconds ago."""
    path = directory.with_name(f"{directory.name}.lease.{number}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**dataclasses.asdict(lease._this_process()), **changes}))
    os.utime(path, (time.time() - age,) * 2)
    return path


def leases(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.parent.iterdir())


def test_a_second_process_says_who_holds_the_directory(tmp_path: Path):
    directory = tmp_path / "run's [1] directory"
    with children(1, directory) as [child]:
        child.go()
        assert child.said() == "held"
        with pytest.raises(UserError) as told, leased(directory):
            pass
        line = str(told.value)
        assert line.startswith(f"{directory} is in use by process {child.process.pid} on {socket.gethostname()} since 20")
        assert "\n" not in line
        child.go()
        assert child.said() == "free"
        with leased(directory):
            pass
    assert leases(directory) == []


@pytest.mark.parametrize("reaped", [True, False])
def test_the_lease_of_a_killed_process_is_taken_over(tmp_path: Path, reaped: bool, caplog: pytest.LogCaptureFixture):
    directory = tmp_path / "run"
    with children(1, directory) as [child]:
        child.go()
        assert child.said() == "held"
        child.process.kill()
        assert child.said() == ""  # its end of the pipe is closed
        if reaped:
            child.process.wait()
        until = time.monotonic() + PATIENCE
        while lease._started(child.process.pid) is not None and time.monotonic() < until:  # it closes files before it ends
            time.sleep(0.01)
        with leased(directory):
            assert leases(directory) == ["run.lease.2"]
        assert f"Taking over from process {child.process.pid} on" in caplog.text
    assert leases(directory) == []


def test_one_of_several_processes_takes_over(tmp_path: Path):
    directory = tmp_path / "run"
    with children(4, directory) as processes:
        for _ in range(10):
            left(directory, number=7, process_started="long ago")
            for child in processes:
                child.go()
            said = [child.said() for child in processes]
            assert said.count("held") == 1
            assert sum("is in use by process" in line for line in said) == 3
            for child in processes:
                child.go()
            assert [child.said() for child in processes] == ["free"] * 4
            assert leases(directory) == []


def test_without_hard_links_a_lease_works_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(source: str, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    directory = tmp_path / "run"
    with leased(directory), pytest.raises(UserError, match=f"in use by process {os.getpid()} on "), leased(directory):
        pass


def test_a_process_number_that_is_used_again_is_noticed(tmp_path: Path):
    left(tmp_path / "run", process_started="long ago")
    with leased(tmp_path / "run"):
        assert leases(tmp_path / "run") == ["run.lease.2"]


# on another machine, and a lease that was cut short: both are alive as long as they are fresh
@pytest.mark.parametrize("content", [{"machine": "elsewhere", "host": "elsewhere", "process": 1}, None])
def test_a_lease_whose_process_cannot_be_seen_is_judged_by_its_heartbeat(tmp_path: Path, content: dict[str, object] | None):
    directory = tmp_path / "run"

    def leave(age: float) -> None:
        path = left(directory, age=age, **(content or {}))
        if content is None:
            path.write_text("")
            os.utime(path, (time.time() - age,) * 2)

    leave(age=0.5 * STALE_SECONDS)
    told = "process 1 on elsewhere since" if content else r"a process that run\.lease\.1 does not name"
    with pytest.raises(UserError, match=told), leased(directory):
        pass
    leave(age=2 * STALE_SECONDS)
    with leased(directory):
        assert leases(directory) == ["run.lease.2"]


def test_a_lease_that_is_held_stays_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    path = tmp_path / "run.lease.1"
    with leased(tmp_path / "run"):
        os.utime(path, (0, 0))
        until = time.monotonic() + PATIENCE
        while path.stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_a_process_that_was_taken_over_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    stopped: list[Exception] = []
    noticed = threading.Event()
    monkeypatch.setattr(interruption, "stop", lambda error: (stopped.append(error), noticed.set()))
    with leased(tmp_path / "run") as held:
        held.check()
        (tmp_path / "run.lease.1").unlink()
        with pytest.raises(LeaseLostError, match="taken over"):
            held.check()
        assert noticed.wait(PATIENCE)
    assert [type(error) for error in stopped] == [LeaseLostError]


def test_the_lease_is_free_after_an_error_and_new_folders_are_removed(tmp_path: Path):
    directory = tmp_path / "new" / "newer" / "run"
    with pytest.raises(KeyError), leased(directory):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_lease_of_a_longer_name_is_another_ones(tmp_path: Path):
    left(tmp_path / "run.lease.1")
    left(tmp_path / "run2")
    with leased(tmp_path / "run"):
        pass
