"""The progress bar of a training run."""

import contextlib
import math
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_hidden = False


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Within the block no bar is drawn: that of one run of a sweep would disturb the table of all."""
    global _hidden
    before, _hidden = _hidden, True
    try:
        yield
    finally:
        _hidden = before


class _SpeedColumn(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} steps/s" if task.speed else "", style="progress.data.speed")


class TrainingProgress:
    """Progress bar with steps per second, time left, loss and metric; disabled by ``hidden``, and when stderr is no terminal.

    Args:
        total: steps of the run.
        completed: steps that are done already.
        console: where the bar is drawn; stderr by default.
        shown: whether there is a bar at all.
    """

    def __init__(self, total: int, completed: int, console: Console | None = None, shown: bool = True) -> None:
        console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            _SpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
            console=console,
            disable=_hidden or not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("training", total=total, completed=completed, metrics="")

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def update(self, step: int, loss: float, metrics: dict[str, float], best: float) -> None:
        """Moves the bar to a step.

        Args:
            step: number of steps done.
            loss: mean training loss since the last update.
            metrics: of the last evaluation, of which the first is shown; empty before there was one.
            best: the lowest value of this metric so far; infinite before there was one.
        """
        text = f"loss {loss:.4g}"
        for name, value in list(metrics.items())[:1]:
            text += f"  {name.removeprefix('test_')} {value:.4g}"
            if math.isfinite(best):
                text += f" (best {best:.4g})"
        self._progress.update(self._task, completed=step, metrics=text)
