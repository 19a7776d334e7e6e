"""What the paper leaves open about its VAE, compared by validation: ``+sweep=vae_choices`` and ``+sweep=vae_training``."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from irg_experiments.experiments.vae.runs import LEFT_OPEN, TRIED, changes, has_usual_model, is_of_the_paper
from irg_experiments.results.aggregate import by_number, repetitions, spread
from irg_experiments.results.numbers import standard_deviation
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

# the budget of runs that choose options, and stand in no table of results
TUNING = "tuning"
# values of the options of the model where an early record does not name them
UNNAMED = {"limits": [1e-3, 1e3], "parameterization": "natural", "weights": "glorot_normal", "code_scale": 1.0}
VALIDATION, TEST = "validation_negative_elbo", "test_nll"
CHANGE = "change (in standard errors)"

# name and dimension of a latent space, and the data set
Space = tuple[str, int, str]
# the runs of one setting on one latent space, by seed
Runs = Mapping[int, Record]
# of the training: keys with values
Changes = tuple[tuple[str, str], ...]


def is_choice(record: Record) -> bool:
    """Whether a run chooses options that the paper leaves open, and is in no table of results."""
    return record["budget"] == TUNING and is_of_the_paper(record) and VALIDATION in record["metrics"]


def choices_table(records: Sequence[Record]) -> Table:
    """One row per latent space and setting of the options, in the order in which they were tried.

    Each is compared with the row above of the same latent space, on the same seeds. Empty without runs for which ``is_choice``
    holds.
    """
    runs_of: dict[tuple[Space, tuple[Any, ...]], Runs] = {}
    for group in repetitions([record for record in records if is_choice(record) and not changes(record)]):
        model = group[0]["config"]["model"]
        rank = tuple(order(model[name]) for name, order in LEFT_OPEN.items())
        runs_of.setdefault((_space(group[0]), rank), _by_seed(group))  # of several commits, the newest come first
    rows, made_of = [], []
    before: dict[Space, Runs] = {}
    for (space, _), runs in sorted(runs_of.items(), key=lambda item: item[0]):
        latent, dim, data = space
        model = next(iter(runs.values()))["config"]["model"]
        change = _change(runs, before.get(space, {}), VALIDATION)
        cells = [_spread(runs, VALIDATION), change, _spread(runs, TEST), str(len(runs))]
        rows.append([latent, str(dim), data, *(str(model[name]) for name in LEFT_OPEN), *cells])
        made_of.append(list(runs.values()))
        before[space] = runs
    header = ["latent", "D", "data", *(f"model.{name}" for name in LEFT_OPEN), "validation −ELBO", CHANGE, "test NLL", "runs"]
    title = "Options of the VAE: nats, mean ± standard deviation over runs, and the change from the row above on the same seeds"
    return Table("choices", title, header, rows, labels=3 + len(LEFT_OPEN), made_of=made_of)


def training_table(records: Sequence[Record]) -> Table:
    """One row per latent space, budget and training, of models with the options of their file.

    A row is compared with that of the same latent space and budget which lacks its last change, on the same seeds. Rows that
    nothing is compared with are not shown. Empty without a change.
    """
    runs_of: dict[tuple[Space, str, Changes], Runs] = {}
    for group in repetitions([record for record in records if is_of_the_paper(record)]):
        if has_usual_model(group[0]):
            made = tuple((key, str(value)) for key, value in changes(group[0]).items())
            runs_of.setdefault((_space(group[0]), group[0]["budget"], made), _by_seed(group))
    before = {key: (*key[:2], key[2][:-1]) for key in runs_of if key[2]}
    compared = {key for pair in before.items() if pair[1] in runs_of for key in pair}
    rows, made_of = [], []
    for key in sorted(compared, key=lambda key: _training_order(*key)):
        (latent, dim, data), budget, made = key
        runs, earlier = runs_of[key], runs_of.get(before[key], {}) if made else {}
        cells = [cell for metric in (VALIDATION, TEST) for cell in (_spread(runs, metric), _change(runs, earlier, metric))]
        rows.append([latent, str(dim), data, budget, ", ".join(map("=".join, made)) or "–", *cells, str(len(runs))])
        made_of.append(list(runs.values()))
    header = ["latent", "D", "data", "budget", "training", "validation −ELBO", CHANGE, "test NLL", CHANGE, "runs"]
    title = "The VAE's training: nats, mean ± standard deviation over runs, and what its last change gives on the same seeds"
    return Table("training_choices", title, header, rows, labels=5, made_of=made_of)


def _training_order(space: Space, budget: str, made: Changes) -> tuple[Any, ...]:
    """By latent space and budget, then by the changes in the order in which their options were tried; values by size."""
    ranks = [(TRIED.index(key) if key in TRIED else len(TRIED), key, by_number(value)) for key, value in made]
    return space, budget, ranks


def _space(record: Record) -> Space:
    latent = record["config"]["latent"]
    return latent["name"], latent["dim"], record["data"]


def _by_seed(records: Sequence[Record]) -> Runs:
    return {record["seed"]: record for record in records}


def _spread(runs: Runs, metric: str) -> str:
    """Mean and spread of a metric; a dash where the runs do not have it, as those without validation images."""
    values = [record["metrics"][metric] for record in runs.values() if metric in record["metrics"]]
    return spread(values, 2) if values else "–"


def _change(runs: Runs, before: Runs, metric: str) -> str:
    """The mean change over the seeds that both have, and in brackets how many of its standard errors this is."""
    pairs = [tuple(it[seed]["metrics"].get(metric) for it in (runs, before)) for seed in runs if seed in before]
    changes = [after - earlier for after, earlier in pairs if after is not None and earlier is not None]
    if not changes or len(changes) < len(pairs):
        return "–"
    mean = statistics.fmean(changes)
    if len(changes) == 1:
        return f"{mean:+.2f}"
    error = standard_deviation(changes) / math.sqrt(len(changes))
    return f"{mean:+.2f} ({mean / error:+.1f})" if error else f"{mean:+.2f}"
