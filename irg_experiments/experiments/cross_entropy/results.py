"""Variances, biases and times of the methods, and the files that hold them."""

import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.config.tree import ConfigTree
from irg_experiments.experiments.cross_entropy.config import per_block
from irg_experiments.results.aggregate import code_notes, repetitions
from irg_experiments.results.grouped import Row, grouped_table
from irg_experiments.results.numbers import multiple, three_digits
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

CURVES = "curves.json"
# what labels say of what was subtracted from f
VARIANTS = {"nothing": "", "mean": ", f centred", "best": ", best constant"}
NUMBERS = ("variance", "to implicit's", "least", "most", "bias z", "worst z", "µs", "variance × µs")

Values = dict[str, float | None]


def variance_table(records: Sequence[Record]) -> Table:
    """One row per distribution and method, by variance."""
    groups = repetitions(records)
    rows: list[tuple[str, float, Row]] = []
    for group, note in zip(groups, code_notes(groups), strict=True):
        for distribution, label, values in _measured(group):
            cells = [distribution, label + note, *_cells(values)]
            rows.append((distribution, _sortable(values["variance"]), (group, cells)))
    rows.sort(key=lambda row: row[:2])
    title = "Variance, bias and time of one-sample gradients of a cross-entropy"
    return grouped_table("cross_entropy", title, ["distribution", "method", *NUMBERS], [row for *_, row in rows], labels=2)


# the methods that the README shows
HEADLINE = ("implicit", "RSVI", "RSVI, B = 1", "RSVI, B = 5", "RSVI, B = 20", "score function")


def headline_table(records: Sequence[Record]) -> Table:
    """Variances of the best-known methods as multiples of the implicit gradient's, with the least and the most of any point.

    A column for f as it is, and one for each constant that was subtracted from it.
    """
    groups = repetitions(records)
    rows: list[Row] = []
    columns = [words for words in VARIANTS.values() if any(_has_variant(group, words) for group in groups)]
    for group, note in zip(groups, code_notes(groups), strict=True):
        found = {(distribution, label): values for distribution, label, values in _measured(group)}
        for distribution in group[0]["metrics"]:
            for label in HEADLINE:
                if "ratio" in found.get((distribution, label), {}):
                    cells = [_multiples(found.get((distribution, label + words), {})) for words in columns]
                    rows.append((group, [distribution, label + note, *cells]))
    header = ["distribution", "method", *(words.removeprefix(", ") or "f as it is" for words in columns)]
    title = "Variance of one-sample gradients of a cross-entropy, as multiples of the implicit gradient's"
    return grouped_table("cross_entropy_headline", title, header, rows, labels=2)


def _has_variant(group: Sequence[Record], words: str) -> bool:
    return any(label.endswith(words) for methods in group[0]["metrics"].values() for label in methods)


def _multiples(values: Values) -> str:
    """The mean ratio, with the least and the most; a dash if it was not measured."""
    if "ratio" not in values:
        return "–"
    ratio, least, most = (multiple(values[name]) for name in ("ratio", "least_ratio", "most_ratio"))
    return ratio if least == most else f"{ratio} ({least} to {most})"


def tables_by_distribution(record: Record) -> list[Table]:
    """The rows of one run, a table per distribution."""
    tables = []
    sections = {"Dirichlet": "dirichlet", "von Mises": "von_mises"}
    for distribution in record["metrics"]:
        section = sections[distribution.partition(",")[0]]
        found = [(label, values) for name, label, values in _measured([record]) if name == distribution]
        found.sort(key=lambda row: _sortable(row[1]["variance"]))
        blocks = record["config"]["measurement"]["blocks"]
        count = blocks * per_block(record["config"][section]["replicates"], blocks)
        title = f"{distribution}, {count:,} one-sample gradients of the cross-entropy per point"
        rows = [[label, *_cells(values)] for label, values in found]
        tables.append(Table("cross_entropy", title, ["method", *NUMBERS], rows))
    return tables


def _geometric_mean(values: Sequence[float]) -> float:
    return math.prod(value ** (1 / len(values)) for value in values)


# how the numbers of repetitions are put together; the z-score is that of their mean
_TOGETHER: dict[str, Callable[[Sequence[float]], float]] = {
    "variance": _geometric_mean,
    "ratio": _geometric_mean,
    "least_ratio": min,
    "most_ratio": max,
    "bias_z": lambda values: math.fsum(values) / math.sqrt(len(values)),
    "bias_z_worst": max,
    "microseconds": statistics.median,
}


def _measured(group: Sequence[Record]) -> list[tuple[str, str, Values]]:
    """Distribution, label and numbers of each method, over repetitions; null where one of them is not finite."""
    rows = []
    for distribution, methods in group[0]["metrics"].items():
        for label, first in methods.items():
            # code may have changed between repetitions, and with it a label
            runs = [methods[label] for record in group if label in (methods := record["metrics"].get(distribution, {}))]
            rows.append((distribution, label, {name: _together(name, [run.get(name) for run in runs]) for name in first}))
    return rows


def _together(name: str, values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return _TOGETHER[name](finite) if len(finite) == len(values) else None


def _sortable(variance: float | None) -> float:
    return math.inf if variance is None else variance


def _cells(values: Values) -> list[str]:
    ratios = [three_digits(values[name]) if name in values else "–" for name in ("ratio", "least_ratio", "most_ratio")]
    z, worst, variance, time = (values[name] for name in ("bias_z", "bias_z_worst", "variance", "microseconds"))
    bias = ["not finite" if z is None else f"{z:+.1f}", "not finite" if worst is None else f"{worst:.1f}"]
    cost = None if variance is None or time is None else variance * time
    return [three_digits(variance), *ratios, *bias, three_digits(time), three_digits(cost)]


def read_curves(directory: Path) -> list[dict[str, Any]]:
    """The curves of a run: distribution, label, what was subtracted, whether it is the reference, and a list per quantity.

    Earlier ones have nothing subtracted; those of schema 1 do not say which method is the reference.

    Raises:
        OSError, ValueError: the file is missing or damaged.
    """
    curves = json.loads((directory / CURVES).read_text(encoding="utf-8"))
    return [{"reference": False, "subtracted": "nothing", **curve, "method": _label(curve["method"])} for curve in curves]


# labels of records of schema 1, which were made of names
_LABELS = {
    "finite_difference": "finite difference",
    "generalized": "G-REP",
    "knowles": "Knowles",
    "measure_valued": "measure-valued",
    "pathwise_omt": "pathwise (OMT)",
    "rsvi": "RSVI",
    "score_function": "score function",
}


def _label(earlier: str) -> str:
    """Today's label of a method; labels of today stay as they are."""
    name, _, augmentation = earlier.partition(" B=")
    return f"RSVI, B = {augmentation}" if augmentation else _LABELS.get(name, name)


def upgraded(record: Record) -> Record:
    """A record of schema 1, where the pseudo-method "all" stood for a comparison of the methods."""
    config = dict(record["config"])
    config["measurement"] = {key: value for key, value in config["measurement"].items() if key != "augmentations"}
    config["methods"] = ConfigTree().load("experiment", "cross_entropy")["methods"]
    alone = config.get("method")
    note = ", no correction" if alone and alone.get("correction") is False else ""
    metrics = {
        distribution: {f"{_label(label)}{note}": values for label, values in methods.items()}
        for distribution, methods in record["metrics"].items()
    }
    labels = [label for methods in metrics.values() for label in methods]
    names = {"method": record["method"], "method_label": labels[0] if labels else None}
    return {**record, "config": config, "metrics": metrics, **(names if alone else dict.fromkeys(names))}
