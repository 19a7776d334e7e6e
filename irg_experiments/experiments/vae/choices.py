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
    """One row per setting of the options, in the order in which they were tried, and four columns per latent space.

    Empty without runs for which ``is_choice`` holds.
    """
    settings: dict[tuple[Any, ...], dict[Space, Runs]] = {}
    for group in repetitions([record for record in records if is_choice(record) and not changes(record)]):
        model = group[0]["config"]["model"]
        cells = settings.setdefault(tuple(str(model[name]) for name in LEFT_OPEN), {})
        cells.setdefault(_space(group[0]), _by_seed(group))  # of several commits, the newest come first
    ordered = sorted(settings.items(), key=lambda item: _order(item[1]))
    spaces = sorted({space for _, cells in ordered for space in cells})
    rows = []
    before: Mapping[Space, Runs] = {}
    for setting, cells in ordered:
        columns = [cell for space in spaces for cell in _cells(cells.get(space, {}), before.get(space, {}))]
        rows.append([*setting, *columns])
        before = cells
    header = [f"model.{name}" for name in LEFT_OPEN]
    for space in spaces:
        header += [f"{_where(space)}: validation −ELBO", CHANGE, "test NLL", "runs"]
    title = "Options of the VAE: nats, mean ± standard deviation over runs, and the change from the row above on the same seeds"
    return Table("choices", title, header, rows, labels=len(LEFT_OPEN), made_of=[_records(cells) for _, cells in ordered])


def training_table(records: Sequence[Record]) -> Table:
    """One row per change of the training, and five columns per latent space.

    Of models with the options of their file. A row is compared with that of the same budget which lacks its last change, on the
    same seeds. Latent spaces without a row of the same budget to compare with are not shown. Empty without a change.
    """
    cells_of: dict[tuple[str, Changes], dict[Space, Runs]] = {}
    for group in repetitions([record for record in records if is_of_the_paper(record)]):
        if has_usual_model(group[0]):
            made = tuple((key, str(value)) for key, value in changes(group[0]).items())
            cells = cells_of.setdefault((group[0]["budget"], made), {})
            cells.setdefault(_space(group[0]), _by_seed(group))
    compared = {
        (budget, space)
        for (budget, made), cells in cells_of.items()
        for space in cells.keys() & cells_of.get((budget, made[:-1]), {}).keys()
        if made
    }
    spaces = sorted({space for _, space in compared})
    rows, made_of = [], []
    for (budget, made), cells in sorted(cells_of.items(), key=lambda item: _training_order(*item[0])):
        shown = {space: runs for space, runs in cells.items() if (budget, space) in compared}
        if shown:
            before = cells_of.get((budget, made[:-1]), {}) if made else {}
            columns = [cell for space in spaces for cell in _training_cells(shown.get(space, {}), before.get(space, {}))]
            rows.append([budget, ", ".join(map("=".join, made)) or "–", *columns])
            made_of.append(_records(shown))
    header = ["budget", "training"]
    for space in spaces:
        header += [f"{_where(space)}: validation −ELBO", CHANGE, "test NLL", CHANGE, "runs"]
    title = "The VAE's training: nats, mean ± standard deviation over runs, and what its last change gives on the same seeds"
    return Table("training_choices", title, header, rows, labels=2, made_of=made_of)


def _training_order(budget: str, made: Changes) -> tuple[Any, ...]:
    """By budget, then by the changes in the order in which their options were tried; values by size."""
    ranks = [(TRIED.index(key) if key in TRIED else len(TRIED), key, by_number(value)) for key, value in made]
    return budget, ranks


def _space(record: Record) -> Space:
    latent = record["config"]["latent"]
    return latent["name"], latent["dim"], record["data"]


def _by_seed(records: Sequence[Record]) -> Runs:
    return {record["seed"]: record for record in records}


def _records(cells: Mapping[Space, Runs]) -> list[Record]:
    return [record for runs in cells.values() for record in runs.values()]


def _where(space: Space) -> str:
    latent, dim, data = space
    return f"{latent}, D = {dim}, {data}"


def _order(cells: Mapping[Space, Runs]) -> tuple[float, ...]:
    record = next(iter(next(iter(cells.values())).values()))
    return tuple(rank(record["config"]["model"][name]) for name, rank in LEFT_OPEN.items())


def _cells(runs: Runs, before: Runs) -> list[str]:
    if not runs:
        return ["–"] * 4
    return [_spread(runs, VALIDATION), _change(runs, before, VALIDATION), _spread(runs, TEST), str(len(runs))]


def _training_cells(runs: Runs, before: Runs) -> list[str]:
    if not runs:
        return ["–"] * 5
    both = [cell for metric in (VALIDATION, TEST) for cell in (_spread(runs, metric), _change(runs, before, metric))]
    return [*both, str(len(runs))]


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
