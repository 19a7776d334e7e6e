"""What a person watches while a run trains; silent when nobody does."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _SpeedColumn(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} steps/s" if task.speed else "", style="progress.data.speed")


class TrainingProgress:
    """A progress bar with steps a second, the time left and the current metrics; nothing when the output is no terminal."""

    def __init__(self, total: int, completed: int) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            _SpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("training", total=total, completed=completed, metrics="")

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Moves the bar to ``step`` and shows the newest metrics; a few fit into a line."""
        text = "  ".join(f"{name.removeprefix('test_')} {value:.4g}" for name, value in metrics.items())
        self._progress.update(self._task, completed=step, metrics=text)
