"""The sweep while it runs: a live table on a terminal, a line per finished run elsewhere."""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from irg_experiments.sweeps.plan import Run
from irg_experiments.sweeps.states import State, Watch

log = logging.getLogger(__name__)

# seconds between two looks at the files
INTERVAL = 2.0
# more are not listed
MOST_RUNNING = 20


class Monitor:
    """Shows what the files of the runs tell, from a thread, while the block is executed.

    Args:
        runs: of the sweep, without those that were finished before.
        console: where a live table is drawn if it is a terminal; stderr by default.

    Attributes:
        watches: one per run.
    """

    def __init__(self, runs: Sequence[Run], console: Console | None = None) -> None:
        self.watches = [Watch(run) for run in runs]
        self._ended: dict[int, State] = {}
        self._first_rows: dict[int, State] = {}
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._start, self._stop = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._keep_showing, daemon=True)

    @property
    def is_live(self) -> bool:
        """Whether there is a live table."""
        return self._console.is_terminal

    def __enter__(self) -> "Monitor":
        if self.is_live:
            redirect = sys.stdout.isatty()  # what is printed goes above the table, but not where it goes to a file
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=redirect, transient=True)
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self.show()
        finally:
            if self._live:
                self._live.stop()

    def _keep_showing(self) -> None:
        while not self._stop.wait(INTERVAL):
            self.show()

    def show(self) -> None:
        """Reads the files, and shows what is new."""
        states = [self._state(number) for number in range(len(self.watches))]
        ended = {number: state for number, state in enumerate(states) if state.status not in ("waiting", "running")}
        new = [number for number in ended if number not in self._ended]
        self._ended = ended
        if self._live:
            self._live.update(self.table(states), refresh=True)
            return
        for number in new:
            log.info("%s: %s. %s", ended[number].status.capitalize(), self.watches[number].run.name, self.summary(states))

    def summary(self, states: Sequence[State]) -> str:
        """How many runs there are of each status, and how long the rest takes."""
        counts = Counter(state.status for state in states)
        told = [f"{counts[status]} {status}" for status in sorted(counts) if status not in ("done", "waiting")]
        left = self._time_left(states)
        told += [f"about {in_words(left)} left"] if left else []
        return ", ".join([f"{counts['done']} of {len(states)} runs done", *told])

    def table(self, states: Sequence[State]) -> Table:
        """The summary above a row per run that runs."""
        table = Table("running", "step", "steps/s", "metric", title=self.summary(states), title_justify="left")
        running = [number for number, state in enumerate(states) if state.status == "running"]
        for number in running[:MOST_RUNNING]:
            state, watch = states[number], self.watches[number]
            steps = watch.run.steps()
            step = f"{state.step:,} of {steps:,}" if steps else "–"
            table.add_row(watch.run.name, step, self._speed(number, state), state.metric)
        if len(running) > MOST_RUNNING:
            table.caption = f"and {len(running) - MOST_RUNNING} more"
        return table

    def _state(self, number: int) -> State:
        return self._ended.get(number) or self.watches[number].state()

    def _speed(self, number: int, state: State) -> str:
        """Steps per second since the first look at the run."""
        if not state.logged:
            return "–"
        first = self._first_rows.setdefault(number, state)
        if state.step < first.step:  # it goes on from a checkpoint, which was before the last row
            first = self._first_rows[number] = state
        seconds = state.logged - first.logged
        return f"{(state.step - first.step) / seconds:,.0f}" if seconds > 0 else "–"

    def _time_left(self, states: Sequence[State]) -> float | None:
        """Seconds, if the rest of the steps takes as long as those since the start; None before anything was done."""
        shares = [self._share(watch, state) for watch, state in zip(self.watches, states, strict=True)]
        earlier = sum(watch.earlier_step / (watch.run.steps() or 1) for watch in self.watches if watch.run.steps())
        done, left = sum(shares) - earlier, len(shares) - sum(shares)
        return (time.monotonic() - self._start) * left / done if done > 0 else None

    @staticmethod
    def _share(watch: Watch, state: State) -> float:
        if state.status not in ("waiting", "running"):
            return 1.0
        return min(state.step / steps, 1.0) if (steps := watch.run.steps()) else 0.0


def in_words(seconds: float) -> str:
    """A duration, rounded, such as "2 h 10 min"."""
    minutes = round(seconds / 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
