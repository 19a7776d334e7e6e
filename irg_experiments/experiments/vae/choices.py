"""What the paper leaves open about its VAE, compared by validation: ``+sweep=vae_choices`` and ``+sweep=vae_training``."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from irg_experiments.experiments.vae.runs import LEFT_OPEN, TRIED, changes, has_usual_model, has_usual_options
from irg_experiments.results.aggregate import repetitions, spread
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
# of the model: for each of its options left open, the rank of the value and the value in words
Setting = tuple[tuple[Any, str], ...]
Key = TypeVar("Key")
SPACE = ("latent", "D", "data")


def choices_table(records: Sequence[Record]) -> Table:
    """One row per latent space and setting of the options, in the order in which they were tried, of ``budget=tuning``.

    Each is compared with the row above of the same latent space, on the same seeds. Latent spaces with one setting are not
    shown.
    """
    runs_of: dict[Space, dict[Setting, Runs]] = defaultdict(dict)
    chosen = [it for it in records if it["budget"] == TUNING and VALIDATION in it["metrics"] and not changes(it)]
    for group in repetitions([record for record in chosen if has_usual_options(record)]):
        model = group[0]["config"]["model"]
        setting = tuple((order(model[name]), str(model[name])) for name, order in LEFT_OPEN.items())
        _add(runs_of[_space(group[0])], setting, group)
    rows, made_of = [], []
    for space, settings in sorted(runs_of.items()):
        before: Runs = {}
        for setting, runs in sorted(settings.items()) if len(settings) > 1 else ():
            cells = [_spread(runs, VALIDATION), _change(runs, before, VALIDATION), _spread(runs, TEST), str(len(runs))]
            rows.append([*map(str, space), *(value for _, value in setting), *cells])
            made_of.append(list(runs.values()))
            before = runs
    header = [*SPACE, *(f"model.{name}" for name in LEFT_OPEN), "validation −ELBO", CHANGE, "test NLL", "runs"]
    title = "Options of the VAE: nats, mean ± standard deviation over runs, and the change from the row above on the same seeds"
    return Table("choices", title, header, rows, labels=len(SPACE) + len(LEFT_OPEN), made_of=made_of)


def training_table(records: Sequence[Record]) -> Table:
    """One row per latent space, budget and training, of models with the options of their file.

    A row is compared with that of the same latent space and budget which lacks its last change, on the same seeds. Rows that
    nothing is compared with are not shown. Empty without a change.
    """
    runs_of: dict[tuple[Space, str, Changes], Runs] = {}
    for group in repetitions([record for record in records if has_usual_options(record) and has_usual_model(record)]):
        made = tuple((key, str(value)) for key, value in changes(group[0]).items())
        _add(runs_of, (_space(group[0]), group[0]["budget"], made), group)
    before = {key: (*key[:2], key[2][:-1]) for key in runs_of if key[2]}
    compared = {key for pair in before.items() if pair[1] in runs_of for key in pair}
    rows, made_of = [], []
    for key in sorted(compared, key=lambda key: _training_order(*key)):
        space, budget, made = key
        runs, earlier = runs_of[key], runs_of.get(before[key], {}) if made else {}
        cells = [cell for metric in (VALIDATION, TEST) for cell in (_spread(runs, metric), _change(runs, earlier, metric))]
        rows.append([*map(str, space), budget, ", ".join(map("=".join, made)) or "–", *cells, str(len(runs))])
        made_of.append(list(runs.values()))
    header = [*SPACE, "budget", "training", "validation −ELBO", CHANGE, "test NLL", CHANGE, "runs"]
    title = "The VAE's training: nats, mean ± standard deviation over runs, and what its last change gives on the same seeds"
    return Table("training_choices", title, header, rows, labels=len(SPACE) + 2, made_of=made_of)


def _add(runs_of: dict[Key, Runs], key: Key, group: Sequence[Record]) -> None:
    """Adds the runs of a group, which may differ from those there in how they were scored; of one seed the first counts."""
    runs_of[key] = {**{record["seed"]: record for record in group}, **runs_of.get(key, {})}


def _training_order(space: Space, budget: str, made: Changes) -> tuple[Any, ...]:
    """By latent space and budget, then by the changes in the order in which their options were tried; numbers by size."""
    ranks = [(TRIED.index(key) if key in TRIED else len(TRIED), key, _size(value), value) for key, value in made]
    return space, budget, ranks


def _size(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.inf


def _space(record: Record) -> Space:
    latent = record["config"]["latent"]
    return latent["name"], latent["dim"], record["data"]


def _spread(runs: Runs, metric: str) -> str:
    """Mean and spread of a metric; a dash where the runs do not have it, as those without validation images."""
    values = [record["metrics"][metric] for record in runs.values() if metric in record["metrics"]]
    return spread(values, 2) if values else "–"


def _change(runs: Runs, before: Runs, metric: str) -> str:
    """The mean change over the seeds that both have, and in brackets how many of its standard errors this is."""
    pairs = [tuple(it[seed]["metrics"].get(metric) for it in (runs, before)) for seed in runs if seed in before]
    differences = [after - earlier for after, earlier in pairs if after is not None and earlier is not None]
    if not differences or len(differences) < len(pairs):
        return "–"
    mean = statistics.fmean(differences)
    if len(differences) == 1:
        return f"{mean:+.2f}"
    error = standard_deviation(differences) / math.sqrt(len(differences))
    return f"{mean:+.2f} ({mean / error:+.1f})" if error else f"{mean:+.2f}"
