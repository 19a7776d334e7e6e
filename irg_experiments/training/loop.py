"""The one training loop: steps, evaluation, checkpoints, metrics. It knows no model and no data set."""

import contextlib
import copy
import gc
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from irg_experiments.errors import DivergedError, UserError
from irg_experiments.training.checkpoint import load_checkpoint, save_checkpoint
from irg_experiments.training.metrics_log import MetricsLog
from irg_experiments.training.progress import TrainingProgress

log = logging.getLogger(__name__)


class Task(Protocol):
    """What is trained. Everything that training changes is in ``state_dict``; the loop keeps the random state of torch."""

    def training_step(self, step: int) -> Tensor:
        """One update, counted from 0; returns the detached loss. Its data must follow from ``step`` and the seed."""
        ...

    def evaluate(self, step: int) -> dict[str, float]:
        """Metrics of the current parameters, the most telling first, after ``step`` steps; must not change parameters.

        The random state is the same at every evaluation.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Parameters and optimiser state: nested dicts and lists of tensors, numbers and strings."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned."""
        ...


@dataclass(frozen=True)
class Selection:
    """Keep the state whose first metric was the lowest, and stop once it has not improved for a while.

    Args:
        patience: after how many evaluations in a row without improvement training stops; at least 1.
        start: evaluations up to this step neither count as the best nor against it.

    Raises:
        UserError: a patience below 1.
    """

    patience: int
    start: int = 0

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise UserError(f"training.patience must be at least 1, not {self.patience}.")


@dataclass(frozen=True)
class Schedule:
    """How many steps, and after how many to log, evaluate and checkpoint; without a selection the last state is the result."""

    steps: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int
    selection: Selection | None = None

    def due(self, step: int, every: int) -> bool:
        """Whether something done every so many steps, and at the end, is due once ``step`` steps are done."""
        return step % every == 0 or step == self.steps


@dataclass(frozen=True)
class TrainingResult:
    """The last evaluation, or the best one, and the time the steps took, over all the sessions of an interrupted run."""

    metrics: dict[str, float]
    steps_per_second: float
    wall_seconds: float


def train(task: Task, schedule: Schedule, seed: int, directory: Path, device: torch.device) -> TrainingResult:
    """Trains the task to the end of its schedule, going on from the last good checkpoint of the directory if there is one.

    With a selection, the task is left in its best state, whose metrics are returned with ``best_step`` and ``last_step``.

    A run that was killed and started again ends with the very same metrics as one that was not: parameters, optimiser and
    random state come from the checkpoint, the data order follows from seed and step, and evaluation draws from a random
    stream of its own. Exactly so with compile=off: where formulas are compiled on demand, a process that resumes may change
    from eager to machine code at another step, and the metrics agree to rounding.

    Raises:
        DivergedError: the loss became NaN or infinite; the last good checkpoint stays.
    """
    run = _Run(task, schedule, seed, directory, device)
    # torch's modules are a large heap that never becomes garbage; scanning it would cost some percent of every step
    gc.collect()
    gc.freeze()
    try:
        with TrainingProgress(schedule.steps, run.step) as progress, denormals_flushed():
            run.to_the_end(progress)
    finally:
        gc.unfreeze()
        run.metrics_log.close()
    return TrainingResult(run.selected_metrics(), run.step / max(run.training_seconds, 1e-9), run.wall_seconds)


@contextlib.contextmanager
def denormals_flushed() -> Iterator[None]:
    """Floats below the smallest normal number are zero within, where the processor can do that.

    Adam's averages of a gradient that stays zero, as that of a unit that died, decay into such floats, with which processors
    compute many times slower: its update of a small model can take twice its time.
    """
    before = (torch.tensor(torch.finfo(torch.float32).tiny) / 2).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


@dataclass
class _Best:
    """The best state so far, and how many evaluations have passed since."""

    metrics: dict[str, float] = field(default_factory=dict)
    step: int = 0
    stale: int = 0
    task: dict[str, Any] = field(default_factory=dict)

    def value(self) -> float:
        return next(iter(self.metrics.values()), math.inf)


class _Run:
    def __init__(self, task: Task, schedule: Schedule, seed: int, directory: Path, device: torch.device) -> None:
        self.task, self.schedule, self.seed, self.directory, self.device = task, schedule, seed, directory, device
        self.step = 0
        self.metrics: dict[str, float] = {}
        self.training_seconds = self.wall_seconds = 0.0
        self.best = _Best()
        self._restore(load_checkpoint(directory))
        self.metrics_log = MetricsLog(directory, self.step)
        self._loss_sum = torch.zeros((), device=device)
        self._loss_steps = 0

    def to_the_end(self, progress: TrainingProgress) -> None:
        previous_wall, session_start = self.wall_seconds, time.perf_counter()
        while not self._finished():
            self._train_until_something_is_due()
            train_loss = self._finite_mean_loss()
            row = {"train_loss": train_loss}
            if self.schedule.due(self.step, self.schedule.evaluate_every):
                self.metrics = self._evaluate()
                row.update(self.metrics)
                self._select()
            self.metrics_log.write(self.step, row)
            progress.update(self.step, {"loss": train_loss, **dict(list(self.metrics.items())[:1])})
            self.wall_seconds = previous_wall + time.perf_counter() - session_start
            if self.schedule.due(self.step, self.schedule.checkpoint_every) or self._finished():
                save_checkpoint(self.directory, self._state())

    def selected_metrics(self) -> dict[str, float]:
        """The metrics of the result, in whose state the task is put."""
        if self.schedule.selection is None:
            return self.metrics
        if self.best.task:
            self.task.load_state_dict(copy.deepcopy(self.best.task))
        metrics = self.best.metrics or self.metrics
        return {**metrics, "best_step": self.best.step or self.step, "last_step": self.step}

    def _finished(self) -> bool:
        selection = self.schedule.selection
        impatient = selection is not None and self.best.stale >= selection.patience
        return self.step >= self.schedule.steps or impatient

    def _select(self) -> None:
        selection = self.schedule.selection
        if selection is None or self.step <= selection.start:
            return
        if next(iter(self.metrics.values())) < self.best.value():
            self.best = _Best(self.metrics, self.step, 0, copy.deepcopy(self.task.state_dict()))
        else:
            self.best.stale += 1

    def _train_until_something_is_due(self) -> None:
        s, start = self.schedule, time.perf_counter()
        intervals = (s.log_every, s.evaluate_every, s.checkpoint_every)
        while True:
            self._loss_sum += self.task.training_step(self.step)
            self._loss_steps += 1
            self.step += 1
            if any(s.due(self.step, every) for every in intervals):
                break
        self.training_seconds += time.perf_counter() - start

    def _finite_mean_loss(self) -> float:
        # a NaN or an infinity survives every later addition, so the sum tells of each step since the last look
        mean = self._loss_sum.item() / self._loss_steps
        if not math.isfinite(mean):
            raise DivergedError(
                f"The loss became {mean} within the {self._loss_steps} steps before step {self.step}. "
                "Try a smaller learning rate or another seed."
            )
        self._loss_sum.zero_()
        self._loss_steps = 0
        return mean

    def _evaluate(self) -> dict[str, float]:
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(self.seed)  # the same draws each time, so that two evaluations differ by the parameters alone
            return self.task.evaluate(self.step)

    def _state(self) -> dict[str, Any]:
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        state = {
            "step": self.step,
            "task": self.task.state_dict(),
            "random": random,
            "metrics": self.metrics,
            "training_seconds": self.training_seconds,
            "wall_seconds": self.wall_seconds,
        }
        return state if self.schedule.selection is None else {**state, "best": asdict(self.best)}

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self.step, self.metrics = state["step"], state["metrics"]
        self.training_seconds, self.wall_seconds = state["training_seconds"], state["wall_seconds"]
        self.task.load_state_dict(state["task"])
        self.best = _Best(**state.get("best", {}))
        torch.set_rng_state(state["random"]["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random"]["cuda"], self.device)
        log.info("Going on from step %d of %d.", self.step, self.schedule.steps)
