"""What an experiment is: a typed config, ``run``, which leaves files, and tables and figures made of these files."""

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.types import CONDUCT, Boolean, Count, Folder, Must, Name, Seed, Threads
from irg_experiments.config.validation import Section
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table
from irg_experiments.training.metrics_log import read_rows

# keys of configs, as dotted paths, without influence on results, or for which tables have columns of their own
UNTOLD = frozenset({"seed", "output", "rerun", "profile", "data.root", "training.log_every", "training.checkpoint_every"})


class ExperimentConfig(Section):
    """The keys that every experiment has.

    Attributes:
        experiment_class: its import path, the key ``_target_``.
        experiment: its name.
        seed: of every random stream.
        device: where tensors are; auto is CUDA where there is a device, else the CPU.
        threads: of torch on the CPU; null leaves the number to torch.
        compile: whether training steps and special functions are compiled; auto means on where that can be.
        budget: which of the experiment's budgets its numbers come from.
        output: the folder of all runs.
        rerun: whether a finished run is repeated.
        pilot: overrides of a run of some seconds, with several times the work of budget=smoke, by which longer ones are timed.
    """

    pilot: ClassVar[tuple[str, ...]] = ("training.steps=300", "training.evaluate_every=300")

    experiment_class: Annotated[str, Must("the import path of an experiment")] = Field(alias="_target_")
    experiment: Annotated[Name, CONDUCT]
    seed: Seed
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Threads
    compile: Literal["auto", "on", "off"]
    budget: Annotated[Name, CONDUCT]
    output: Annotated[Folder, CONDUCT]
    rerun: Annotated[Boolean, CONDUCT]

    def labels(self) -> tuple[str, ...]:
        """What names the run's folder besides budget and seed."""
        return ()

    def work(self) -> float:
        """What the time of a run grows with in proportion: training steps, or 1 for an experiment without any."""
        return float(getattr(getattr(self, "training", None), "steps", 1))


class TrainedConfig(ExperimentConfig):
    """The keys that every experiment which trains a model has.

    Attributes:
        profile: whether some training steps are traced, see ``irg_experiments.training.profiling``.
    """

    profile: Annotated[Boolean, CONDUCT] = False


class TrainingConfig(Section):
    """The keys that every section ``training`` has.

    Attributes:
        steps: updates, each with one batch.
        log_every: steps between two entries of the training loss.
        evaluate_every: steps between two evaluations.
        checkpoint_every: steps between two checkpoints.
        batch_size: items per step.
    """

    steps: Count
    log_every: Annotated[Count, CONDUCT]
    evaluate_every: Count
    checkpoint_every: Annotated[Count, CONDUCT]
    batch_size: Count


@dataclass(frozen=True)
class Result:
    """What a run found.

    Attributes:
        metrics: numbers, perhaps nested by what they were measured of, the most telling first.
        wall_seconds: over all sessions of an interrupted run.
        steps_per_second: of training, where there is any.
        method_label: what tables call the estimator, where there is one.
        versions: of libraries besides torch and NumPy that computed numbers, by name.
    """

    metrics: dict[str, Any]
    wall_seconds: float
    steps_per_second: float | None = None
    method_label: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


class Experiment(abc.ABC):
    """One experiment: prepare, run, save; its tables and figures are functions of the files that these leave.

    The module of a subclass imports nothing heavy: what only ``prepare`` and ``run`` need is imported there.

    Attributes:
        Config: the typed config, with ``_target_`` naming the experiment's class.
        parallel: whether several processes can share a run, see ``irg_experiments.training.distributed``. All of them call
            ``prepare`` and ``run``, the first one alone the rest.
    """

    Config: ClassVar[type[ExperimentConfig]]
    parallel: ClassVar[bool] = False

    def __init__(self, config: Any, tree: ConfigTree) -> None:
        self.config, self.tree = config, tree

    @abc.abstractmethod
    def prepare(self, device: Any, compiled: bool) -> None:
        """Sets up everything that can be refused, such as data and model, before anything is written.

        Args:
            device: a ``torch.device``.
            compiled: whether training steps are to be compiled.

        Raises:
            UserError: the config asks for something that cannot be had.
        """

    @abc.abstractmethod
    def run(self, directory: Path) -> Result:
        """Computes the metrics. Goes on where an interrupted run of the directory stopped."""

    def save(self, directory: Path) -> None:
        """Writes what figures and tables need besides the metrics; called after ``run``, once the metrics are recorded."""
        return

    @classmethod
    @abc.abstractmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        """Tables over finished runs of this experiment, repetitions averaged."""

    @classmethod
    def excerpts(cls, records: Sequence[Record]) -> list[Table]:
        """Shorter tables of the same runs, for a page that shows the main result alone."""
        return []

    @classmethod
    def summary(cls, directory: Path, record: Record) -> list[Table]:
        """Tables of one finished run, from its files."""
        return cls.tables([record])

    @classmethod
    def history(cls, directory: Path) -> list[dict[str, Any]]:
        """Metrics of a run over time: per entry its ``step``, and numbers by name; empty where nothing was logged."""
        return read_rows(directory)

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        """Pictures of one finished run, from its files."""
        yield from ()

    @classmethod
    def comparisons(cls, runs: Sequence[tuple[Path, Record]]) -> Iterator[Figure]:
        """Pictures over finished runs of this experiment, each given by its directory and its record."""
        yield from ()

    @classmethod
    def upgraded(cls, record: Record) -> Record:
        """A record of an earlier schema as one of today's; see ``irg_experiments.results.record.read_record``."""
        return record
