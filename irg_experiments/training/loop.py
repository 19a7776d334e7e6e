"""The training loop: steps, evaluation, checkpoints and metrics of any task."""

import copy
import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from irg_experiments.errors import DivergedError
from irg_experiments.training import distributed, interruption
from irg_experiments.training.checkpoint import restore_checkpoint, save_checkpoint
from irg_experiments.training.metrics_log import MetricsLog
from irg_experiments.training.process import fast_steps
from irg_experiments.training.profiling import profiled_steps
from irg_experiments.training.progress import TrainingProgress

log = logging.getLogger(__name__)


class Task(Protocol):
    """What is trained. ``state_dict`` holds everything that training changes, except torch's random state."""

    def training_step(self, step: int) -> Tensor:
        """Performs one update, counted from 0, and returns the detached loss. Its data follow from ``step`` and the seed."""
        ...

    def evaluate(self, step: int) -> dict[str, float]:
        """Metrics after ``step`` steps. The lower the first one, the better. Must not change parameters.

        The random state is the same at every evaluation.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Parameters and optimiser state: nested dicts and lists of tensors, numbers and strings."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned; raises any exception if the state belongs to another task."""
        ...


@dataclass(frozen=True)
class Selection:
    """Keep the state whose first metric is the lowest, and stop early when it no longer improves.

    Args:
        patience: number of consecutive evaluations without improvement after which training stops, at least 1.
        start: evaluations up to this step are not considered.
    """

    patience: int
    start: int = 0


@dataclass(frozen=True)
class Schedule:
    """The number of steps, and how often to log, evaluate and save checkpoints. All are done at the last step, too.

    Args:
        steps: of the run.
        log_every: steps per entry of the training loss in the metrics.
        evaluate_every: steps per evaluation.
        checkpoint_every: steps per checkpoint.
        selection: which state is the result; the last one by default.
    """

    steps: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int
    selection: Selection | None = None

    def due(self, step: int, every: int) -> bool:
        """Whether something that is done every so many steps is due after ``step`` steps."""
        return step % every == 0 or step == self.steps


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a run, over all the sessions of an interrupted one.

    Attributes:
        metrics: of the last evaluation or, with a selection, the best one. They may be NaN or infinite.
        steps_per_second: of the training steps alone, the compilation of the first one included.
        wall_seconds: of training, evaluation and checkpoints.
    """

    metrics: dict[str, float]
    steps_per_second: float
    wall_seconds: float


def train(
    task: Task, schedule: Schedule, seed: int, directory: Path, device: torch.device, profile: bool = False
) -> TrainingResult:
    """Trains the task to the end of its schedule, resuming from the newest usable checkpoint in the directory.

    With a selection, the task is left in its best state, whose metrics are returned with ``best_step`` and ``last_step``.

    On the CPU, a run that was killed and resumed ends with exactly the metrics of an uninterrupted one: parameters, optimiser
    and random state come from the checkpoint, the order of the data follows from seed and step, and evaluation draws from a
    random stream of its own. This takes ``implicit.set_compile("on")`` or ``("off")`` before the first step. In mode "auto" a
    process compiles formulas after some use, and the metrics of a resumed run agree to rounding.

    Of several processes, see ``irg_experiments.training.distributed``, the first one evaluates and writes, and all return the
    same metrics. A run may be resumed by another number of them, which draws other samples.

    Args:
        task: what is trained.
        schedule: when to do what.
        seed: of the evaluations' random draws.
        directory: of the run; it receives checkpoints, ``metrics.jsonl`` and ``tensorboard/``.
        device: whose random state belongs to the run, besides that of the CPU.
        profile: whether some steps are traced, see ``irg_experiments.training.profiling``.

    Raises:
        DivergedError: the loss became NaN or infinite, or a parameter NaN; the last good checkpoint is kept.
        UserError: a checkpoint or ``metrics.jsonl`` cannot be written.
        Interrupted: the process was asked to end; a checkpoint of the last step is written.
    """
    run = _Run(task, schedule, seed, directory, device)
    try:
        bar = TrainingProgress(schedule.steps, run.step, shown=distributed.is_first())
        with bar as progress, fast_steps(), _observed_steps(profile, directory, device) as observe:
            run.to_the_end(progress, observe)
    finally:
        if run.metrics_log:
            run.metrics_log.close()
    return TrainingResult(run.selected_metrics(), run.step / max(run.training_seconds, 1e-9), run.wall_seconds)


def _observed_steps(profile: bool, directory: Path, device: torch.device) -> AbstractContextManager[Callable[[], None]]:
    """Gives what is called after each step."""
    if not (profile and distributed.is_first()):
        return nullcontext(lambda: None)
    return profiled_steps(directory, device)


@dataclass
class _Best:
    """The evaluation with the lowest first metric so far.

    Attributes:
        metrics: of this evaluation; empty before there was one.
        step: number of steps done then.
        stale: number of evaluations since.
        task: the task's state, kept only with a selection.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    step: int = 0
    stale: int = 0
    task: dict[str, Any] = field(default_factory=dict)

    def value(self) -> float:
        return _first(self.metrics)


def _first(metrics: dict[str, float]) -> float:
    """The first metric, by which evaluations are compared; infinite if there is none."""
    return next(iter(metrics.values()), math.inf)


def _holds_nan(state: Any) -> bool:
    """Whether a tensor of nested dictionaries and lists holds NaN. Infinities are left to the loss: a mask may have them."""
    if isinstance(state, Tensor):
        return bool(state.isnan().any())
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return any(map(_holds_nan, parts))


# what checkpoints of earlier versions lack
_ADDED_LATER: dict[str, Any] = {"best": {}, "loss": {"sum": 0.0, "steps": 0}}


class _Run:
    def __init__(self, task: Task, schedule: Schedule, seed: int, directory: Path, device: torch.device) -> None:
        self.task, self.schedule, self.seed, self.directory, self.device = task, schedule, seed, directory, device
        self.step = 0
        self.metrics: dict[str, float] = {}
        self.training_seconds = self.wall_seconds = 0.0
        self.best = _Best()
        self._loss_sum = torch.zeros((), device=device)  # of the steps since the last row of metrics
        self._loss_steps = 0
        if distributed.is_first() and restore_checkpoint(directory, self._restore):
            log.info("Resuming at step %d of %d.", self.step, schedule.steps)
        if distributed.size() > 1:
            self._start_as_the_first()
        self.metrics_log = MetricsLog(directory, self.step) if distributed.is_first() else None
        self._before_session = self.wall_seconds
        self._session_start = time.perf_counter()

    def _start_as_the_first(self) -> None:
        state = distributed.from_first(self._state)
        if not distributed.is_first():
            self._take_over(state)

    def to_the_end(self, progress: TrainingProgress, observe: Callable[[], None]) -> None:
        """Trains; calls ``observe`` after each step."""
        if self._finished():
            return
        self._train_step(observe)  # compiles, for minutes perhaps, and there is nothing new to save: a signal ends it at once
        with interruption.postponed():
            self._after_step(progress)
            while not self._finished():
                self._train_step(observe)
                self._after_step(progress)

    def _after_step(self, progress: TrainingProgress) -> None:
        """Logs, evaluates and saves what is due; saves and ends the run if a signal is waiting."""
        s = self.schedule
        if any(s.due(self.step, every) for every in (s.log_every, s.evaluate_every, s.checkpoint_every)):
            self._log(progress)
        interrupted = interruption.requested()
        if s.due(self.step, s.checkpoint_every) or self._finished() or interrupted:
            self._save()
        if interrupted:
            interruption.raise_received()

    def _log(self, progress: TrainingProgress) -> None:
        train_loss = self._finite_mean_loss()
        row = {"train_loss": train_loss}
        self._loss_sum.zero_()
        self._loss_steps = 0
        if self.schedule.due(self.step, self.schedule.evaluate_every):
            self.metrics = distributed.from_first(self._evaluate)
            row.update(self.metrics)
            self._compare_with_best()
        interruption.raise_stopped()
        if self.metrics_log:
            self.metrics_log.write(self.step, row)
        progress.update(self.step, train_loss, self.metrics, self.best.value())

    def _save(self) -> None:
        interruption.raise_stopped()
        if self._loss_steps:
            self._finite_mean_loss()
        self.wall_seconds = self._before_session + time.perf_counter() - self._session_start
        state = self._state()
        if _holds_nan(state["task"]):  # the losses that were checked came before the last update
            raise DivergedError(
                f"A parameter is NaN after step {self.step}, whose loss was finite. "
                "Try a smaller learning rate, other options of model or method, or another seed."
            )
        if distributed.is_first():
            save_checkpoint(self.directory, state)

    def selected_metrics(self) -> dict[str, float]:
        """The metrics of the result. The task is put into the state that has them."""
        if self.schedule.selection is None:
            return self.metrics
        if self.best.task:
            self.task.load_state_dict(copy.deepcopy(self.best.task))
        metrics = self.best.metrics or self.metrics
        return {**metrics, "best_step": self.best.step or self.step, "last_step": self.step}

    def _finished(self) -> bool:
        selection = self.schedule.selection
        out_of_patience = selection is not None and self.best.stale >= selection.patience
        return self.step >= self.schedule.steps or out_of_patience

    def _compare_with_best(self) -> None:
        selection, value = self.schedule.selection, _first(self.metrics)
        if selection is not None and self.step <= selection.start:
            return
        if math.isfinite(value) and value < self.best.value():
            state = {} if selection is None else copy.deepcopy(self.task.state_dict())
            self.best = _Best(self.metrics, self.step, 0, state)
        else:
            self.best.stale += 1

    def _train_step(self, observe: Callable[[], None]) -> None:
        start = time.perf_counter()
        distributed.seed_draws(self.seed, self.step)
        self._loss_sum += self.task.training_step(self.step)
        self._loss_steps += 1
        self.step += 1
        observe()
        if self.device.type == "cuda" and self.schedule.due(self.step, self.schedule.log_every):
            torch.cuda.synchronize(self.device)  # else the time of the last steps would be counted nowhere
        self.training_seconds += time.perf_counter() - start

    def _finite_mean_loss(self) -> float:
        # a sum stays NaN or infinite once it is, so one check covers all steps since the last one
        mean = self._loss_sum.item() / self._loss_steps
        if not math.isfinite(mean):
            raise DivergedError(
                f"The loss became {mean} within the {self._loss_steps} steps before step {self.step}. "
                "Try a smaller learning rate, other options of model or method, or another seed."
            )
        return mean

    def _evaluate(self) -> dict[str, float]:
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(self.seed)  # the same draws each time: evaluations differ by the parameters alone
            return self.task.evaluate(self.step)

    def _state(self) -> dict[str, Any]:
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "step": self.step,
            "task": self.task.state_dict(),
            "random": random,
            "metrics": self.metrics,
            "training_seconds": self.training_seconds,
            "wall_seconds": self.wall_seconds,
            "best": vars(self.best),
            "loss": {"sum": self._loss_sum, "steps": self._loss_steps},
        }

    def _restore(self, state: Any) -> None:
        """Takes over a checkpoint's state, as a whole or, if that raises, not at all."""
        before = copy.deepcopy(self._state())
        try:
            self._take_over(state)
        except Exception:
            self._take_over(before)
            raise

    def _take_over(self, state: Any) -> None:
        if not isinstance(state, dict) or not self._state().keys() - _ADDED_LATER.keys() <= state.keys():
            raise ValueError("not the state of a training run")
        state = {**_ADDED_LATER, **state}
        step, best, loss = state["step"], _Best(**state["best"]), state["loss"]
        if type(step) is not int or not 0 <= step <= self.schedule.steps:
            raise ValueError(f"its step is {step!r}, but the run has {self.schedule.steps} steps")
        if _holds_nan(state["task"]):
            raise ValueError("it holds NaN")
        if best.task:
            self.task.load_state_dict(copy.deepcopy(best.task))  # so that an unusable one is found now, not when training ends
        self.task.load_state_dict(state["task"])
        torch.set_rng_state(state["random"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["random"]:  # else the run began on the CPU
            torch.cuda.set_rng_state(state["random"]["cuda"], self.device)
        self.step, self.metrics, self.best = step, dict(state["metrics"]), best
        self._loss_sum.fill_(loss["sum"])
        self._loss_steps = int(loss["steps"])
        self.training_seconds, self.wall_seconds = float(state["training_seconds"]), float(state["wall_seconds"])
