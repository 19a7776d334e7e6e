import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from irg_experiments.sweeps import monitor
from irg_experiments.sweeps.monitor import Monitor, in_words
from tests.sweeps.runs import runs_of, write_files


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the monitor reads; it looks at the files when the test says so alone."""
    now = [100.0]
    monkeypatch.setattr(monitor.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(monitor, "INTERVAL", 1e6)
    return now


def test_without_a_terminal_each_run_that_ends_is_a_line(tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture):
    runs = runs_of(tmp_path, "seed=0,1,2,3")
    with caplog.at_level(logging.INFO), Monitor(runs, Console(file=io.StringIO())) as shown:
        clock[0] += 60
        write_files(runs[0], "done")
        write_files(runs[1], "running", [{"step": 30}])
        shown.show()
        shown.show()
        clock[0] += 60
        write_files(runs[1], "failed")
        write_files(runs[2], "running")
    assert caplog.messages == [
        "Done: seed=0. 1 of 4 runs done, 1 running, about 2 min left",  # one and a half of four runs in a minute
        "Failed: seed=1. 1 of 4 runs done, 1 failed, 1 running, about 2 min left",
    ]


def test_a_terminal_shows_what_runs(tmp_path: Path, clock: list[float]):
    runs = runs_of(tmp_path, "seed=0,1,2")
    file = io.StringIO()
    with Monitor(runs, Console(file=file, force_terminal=True, width=100)) as shown:
        write_files(runs[0], "running", [{"step": 10, "test_perplexity": 50.0}], modified=10.0)
        shown.show()
        write_files(runs[0], "running", [{"step": 30, "test_perplexity": 40.0}], modified=14.0)
        write_files(runs[1], "done")
        clock[0] += 30
        shown.show()
    screen = file.getvalue()
    for text in ("1 of 3 runs done, 1 running, about 30 s left", "seed=0", "30 of 60", "perplexity 40"):
        assert text in screen
    assert "│ 5 " in screen.replace("┃", "│")  # 20 steps in 4 seconds


def test_steps_of_an_earlier_attempt_do_not_make_this_one_faster(tmp_path: Path, clock: list[float]):
    runs = runs_of(tmp_path, "seed=0,1")
    write_files(runs[0], "running", [{"step": 30}])
    watching = Monitor(runs, Console(file=io.StringIO()))
    write_files(runs[0], "running", [{"step": 30}, {"step": 45}])
    clock[0] += 60
    states = [watching._state(number) for number in range(2)]
    assert watching.summary(states) == "0 of 2 runs done, 1 running, about 5 min left"  # a quarter of a run in a minute


def test_durations_in_words():
    assert [in_words(seconds) for seconds in (3, 60, 200, 3600, 8000)] == ["3 s", "1 min", "3 min", "1 h 0 min", "2 h 13 min"]
