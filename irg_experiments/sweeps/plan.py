"""The runs of a sweep, each with its directory, known before any of them starts."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from irg_experiments.config.command_line import Arguments, resolved
from irg_experiments.config.composition import compositions, naming
from irg_experiments.config.sweeps import key_of
from irg_experiments.experiments.earlier import finished
from irg_experiments.experiments.protocol import ExperimentConfig
from irg_experiments.experiments.runner import make_experiment, run_directory


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        words: its overrides, without Hydra's own.
        directory: where it belongs, absolute.
        settings: its checked config.
        name: the words that not all runs have; the directory's name where there are none.
    """

    words: tuple[str, ...]
    directory: Path
    settings: ExperimentConfig
    name: str = ""

    def is_finished(self) -> bool:
        """Whether there is nothing left to do."""
        return not self.settings.rerun and finished(self.directory) is not None

    def steps(self) -> int | None:
        """Training steps in all, where the experiment has steps."""
        training = getattr(self.settings, "training", None)
        return getattr(training, "steps", None)


def planned(rows: Sequence[Arguments]) -> list[Run]:
    """The runs of all rows of a sweep, in order; of several with the same directory the first one.

    Raises:
        UserError: the config of a run cannot be.
    """
    runs: dict[Path, Run] = {}
    for row in rows:
        for name, config, words in compositions(row):
            with naming(name):
                settings: ExperimentConfig = make_experiment(resolved(config), row.tree).config
            directory = run_directory(settings).absolute()
            runs.setdefault(directory, Run(tuple(word for word in words if not is_of_hydra(word)), directory, settings))
    return named(runs.values())


def named(runs: Iterable[Run]) -> list[Run]:
    """The runs with their names."""
    runs = list(runs)
    shared = set.intersection(*(set(run.words) for run in runs)) if runs else set()
    telling = [" ".join(word for word in run.words if word not in shared) for run in runs]
    return [dataclasses.replace(run, name=name or run.directory.name) for run, name in zip(runs, telling, strict=True)]


def is_of_hydra(word: str) -> bool:
    """Whether a word sets something of Hydra, such as its launcher, and nothing of a run."""
    return key_of(word).startswith(("hydra.", "hydra/"))
