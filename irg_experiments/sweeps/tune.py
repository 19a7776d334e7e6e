"""``-m +sweep=tune``: values with the lowest validation metric, chosen by Optuna.

There is no study on disk. The choices follow from the seed and the metrics of the trials before, and finished runs are not
repeated: the same command makes the same choices again, up to where it was interrupted, and goes on.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from irg_experiments.config.command_line import Arguments
from irg_experiments.config.composition import words_of
from irg_experiments.config.overrides import parsed
from irg_experiments.config.search import Search
from irg_experiments.errors import UserError
from irg_experiments.installation import is_installed
from irg_experiments.results.table import Table, print_table
from irg_experiments.sweeps.plan import Run, named, planned
from irg_experiments.sweeps.states import VALIDATION, lowest_validation_metric
from irg_experiments.sweeps.sweep import Outcome, launcher_of, perform, report


@dataclasses.dataclass(frozen=True)
class Trial:
    """Chosen values, their run, and what came of it.

    Attributes:
        values: by key, as words of a command line.
        outcome: of the run.
        metric: its lowest validation metric; None if the run is not done.
    """

    values: dict[str, str]
    outcome: Outcome
    metric: float | None


def tune(row: Arguments, search: Search) -> int:
    """Searches among the swept values of a command line.

    Returns:
        The exit code of the sweep.

    Raises:
        UserError: Optuna is not installed; nothing is swept; the experiment has no validation metric.
    """
    if not is_installed("optuna"):
        raise UserError("A search needs a package that is not installed: pip install 'irg-experiments[tune]'.")
    launcher = launcher_of(row)
    planned([row])  # so that a mistake is told before the first run
    sampler = Sampler(row, search.seed)
    trials: list[Trial] = []
    while len(trials) < search.trials:
        chosen = sampler.ask(min(search.parallel, search.trials - len(trials)))
        runs = [_run(row, values) for values in chosen]
        outcomes = {it.run.directory: it for it in perform(named(_distinct(runs)), launcher)}
        batch = [_trial(values, outcomes[run.directory]) for values, run in zip(chosen, runs, strict=True)]
        sampler.tell([trial.metric for trial in batch])
        trials += batch
        _check_metric(trials)
    print_table(_table(trials))
    return report([trial.outcome for trial in trials])


def _check_metric(trials: Sequence[Trial]) -> None:
    done = [trial for trial in trials if trial.outcome.status == "done"]
    if done and all(trial.metric is None for trial in done):
        raise UserError(
            f"The run {done[0].outcome.run.directory} has no metric {VALIDATION}… to minimise, and the test metric is not for "
            "choosing values: experiment=vae has one."
        )


class Sampler:
    """Optuna's tree-structured Parzen estimator over the swept values of a command line.

    Args:
        row: the command line.
        seed: of the choices.

    Source: Bergstra, Bardenet, Bengio & Kégl (2011).
    """

    def __init__(self, row: Arguments, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        swept = [override for override in parsed(row.overrides) if override.is_sweep_override()]
        if not swept:
            raise UserError("There is nothing to search: give a key several values, such as key=interval(1e-4,1e-2).")
        self._space = {override.get_key_element(): _distribution(override) for override in swept}
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self._asked: list[Any] = []

    def ask(self, number: int) -> list[dict[str, str]]:
        """The values of that many trials, as words of a command line."""
        self._asked = [self._study.ask(self._space) for _ in range(number)]
        return [{key: str(value) for key, value in trial.params.items()} for trial in self._asked]

    def tell(self, metrics: Sequence[float | None]) -> None:
        """What the trials came to; None means failed."""
        from optuna.trial import TrialState

        for trial, metric in zip(self._asked, metrics, strict=True):
            self._study.tell(trial, metric, state=TrialState.FAIL if metric is None else TrialState.COMPLETE)


def _distribution(override: Any) -> Any:
    """Optuna's distribution of an interval, with "log" among its tags or not, or of several values."""
    from hydra.core.override_parser.types import IntervalSweep
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep = override.value()
    if not isinstance(sweep, IntervalSweep):
        return CategoricalDistribution([word.partition("=")[2] for word in words_of(override)])
    whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
    kind = IntDistribution if whole else FloatDistribution
    try:
        return kind(sweep.start, sweep.end, log="log" in sweep.tags)
    except ValueError as error:
        raise UserError(f"{override.input_line} cannot be searched: {error}") from error


def _run(row: Arguments, values: dict[str, str]) -> Run:
    others = [it.input_line for it in parsed(row.overrides) if it.get_key_element() not in values]
    words = (*others, *(f"{key}={value}" for key, value in values.items()))
    (run,) = planned([dataclasses.replace(row, overrides=words, search=None)])
    return run


def _distinct(runs: Sequence[Run]) -> list[Run]:
    return list({run.directory: run for run in runs}.values())


def _trial(values: dict[str, str], outcome: Outcome) -> Trial:
    metric = lowest_validation_metric(outcome.run.directory) if outcome.status == "done" else None
    return Trial(values, outcome, metric)


def _table(trials: Sequence[Trial]) -> Table:
    """All trials, the best first."""
    done = sorted((trial for trial in trials if trial.metric is not None), key=lambda trial: trial.metric or 0.0)
    rows = [[*map(_short, trial.values.values()), f"{trial.metric:.6g}"] for trial in done]
    return Table("search", "Trials by their lowest validation metric", [*trials[0].values, "validation metric"], rows, labels=0)


def _short(word: str) -> str:
    try:
        return f"{float(word):.6g}"
    except ValueError:
        return word
