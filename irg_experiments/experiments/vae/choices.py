"""What the paper leaves open about its VAE, compared by validation: the runs of ``+sweep=vae_choices``."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from irg_experiments.results.aggregate import repetitions, spread, words_of
from irg_experiments.results.numbers import standard_deviation
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

# the budget of runs that choose options, and stand in no table of results
TUNING = "tuning"
# options of the model that the paper does not state, each with the order in which its values were tried
LEFT_OPEN = {
    "limits": lambda limits: limits[1],
    "parameterization": ("natural", "location_precision").index,
    "weights": ("glorot_normal", "fan_in").index,
    "code_scale": float,
}
# their values where an early record does not name them
UNNAMED = {"limits": [1e-3, 1e3], "parameterization": "natural", "weights": "glorot_normal", "code_scale": 1.0}
VALIDATION, TEST = "validation_negative_elbo", "test_nll"
# what the command of a run in the table may set; with other options, a change would be theirs as well
_SET = {
    *("experiment", "data", "budget", "latent", "latent.dim", "seed", "evaluation.knn_labels", "gradient_variance.methods"),
    *("device", "threads", "compile", "profile", *(f"model.{name}" for name in LEFT_OPEN)),
}

# name and dimension of a latent space, and the data set
Space = tuple[str, int, str]
# the runs of one setting on one latent space, by seed
Runs = Mapping[int, Record]


def is_choice(record: Record) -> bool:
    """Whether a run chooses options that the paper leaves open, and is in no table of results."""
    keys = {word.lstrip("+").partition("=")[0] for word in words_of(record)[1:]}
    return record["budget"] == TUNING and keys <= _SET and VALIDATION in record["metrics"]


def choices_table(records: Sequence[Record]) -> Table:
    """One row per setting of the options, in the order in which they were tried, and four columns per latent space.

    Empty without runs for which ``is_choice`` holds.
    """
    settings: dict[tuple[Any, ...], dict[Space, Runs]] = {}
    for group in repetitions([record for record in records if is_choice(record)]):
        model, latent = group[0]["config"]["model"], group[0]["config"]["latent"]
        cells = settings.setdefault(tuple(str(model[name]) for name in LEFT_OPEN), {})
        space = latent["name"], latent["dim"], group[0]["data"]
        cells.setdefault(space, {record["seed"]: record for record in group})  # of several commits, the newest come first
    ordered = sorted(settings.items(), key=lambda item: _order(item[1]))
    spaces = sorted({space for _, cells in ordered for space in cells})
    rows = []
    before: Mapping[Space, Runs] = {}
    for setting, cells in ordered:
        columns = [cell for space in spaces for cell in _cells(cells.get(space, {}), before.get(space, {}))]
        rows.append([*setting, *columns])
        before = cells
    header = [f"model.{name}" for name in LEFT_OPEN]
    for latent, dim, data in spaces:
        where = f"{latent}, D = {dim}, {data}"
        header += [f"{where}: validation −ELBO", "change (in standard errors)", "test NLL", "runs"]
    title = "Options of the VAE: nats, mean ± standard deviation over runs, and the change from the row above on the same seeds"
    made_of = [[record for runs in cells.values() for record in runs.values()] for _, cells in ordered]
    return Table("choices", title, header, rows, labels=len(LEFT_OPEN), made_of=made_of)


def _order(cells: Mapping[Space, Runs]) -> tuple[float, ...]:
    record = next(iter(next(iter(cells.values())).values()))
    return tuple(rank(record["config"]["model"][name]) for name, rank in LEFT_OPEN.items())


def _cells(runs: Runs, before: Runs) -> list[str]:
    if not runs:
        return ["–"] * 4
    validation, test = ([record["metrics"][metric] for record in runs.values()] for metric in (VALIDATION, TEST))
    return [spread(validation, 2), _change(runs, before), spread(test, 2), str(len(runs))]


def _change(runs: Runs, before: Runs) -> str:
    """The mean change over the seeds that both have, and in brackets how many of its standard errors this is."""
    pairs = [(runs[seed]["metrics"][VALIDATION], before[seed]["metrics"][VALIDATION]) for seed in runs if seed in before]
    if not pairs or any(value is None for pair in pairs for value in pair):
        return "–"
    changes = [after - earlier for after, earlier in pairs]
    mean = statistics.fmean(changes)
    if len(changes) == 1:
        return f"{mean:+.2f}"
    error = standard_deviation(changes) / math.sqrt(len(changes))
    return f"{mean:+.2f} ({mean / error:+.1f})" if error else f"{mean:+.2f}"
