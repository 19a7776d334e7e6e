"""Errors and times beside the paper's, and the file that holds them by shape."""

import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.results.aggregate import code_notes, repetitions
from irg_experiments.results.grouped import Row, grouped_table
from irg_experiments.results.numbers import multiple, three_digits
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

BY_SHAPE = "by_shape.json"
BASELINE = "automatic differentiation"
DTYPES = ("float32", "float64")

# relative error and time of dz/dφ (Figurnov, Mohamed & Mnih 2018), as printed: multiples of automatic differentiation's
PAPER: dict[tuple[str, str], tuple[float, float]] = {
    ("Gamma", BASELINE): (1, 1),
    ("Gamma", "finite difference"): (832, 2),
    ("Gamma", "torch (J & O 2018)"): (18, 5),
    ("Gamma", "Knowles 2015"): (2840, 63),
    ("von Mises", BASELINE): (1, 1),
    ("von Mises", "finite difference"): (514, 1.2),
}

# dtype -> name of a number -> its value, null where it is not finite
Values = dict[str, dict[str, float | None]]


def multiples_table(records: Sequence[Record]) -> Table:
    """Mean relative error and time at the points of the paper's protocol, as multiples of automatic differentiation's."""
    header = ["float32 error", "float64 error", "paper's", "float32 time", "float64 time", "paper's time"]
    rows: list[Row] = []
    for group, note, distribution, methods in _measured(records):
        for method, values in methods.items():
            error, time = (
                [_multiple(values, methods[BASELINE], dtype, name) for dtype in DTYPES]
                for name in ("paper_mean", "nanoseconds")
            )
            printed = PAPER.get((distribution, method))
            paper = [f"{value:g}×" for value in printed] if printed else ["–", "–"]
            rows.append((group, [distribution, method + note, *error, paper[0], *time, paper[1]]))
    title = "Mean relative error and time of dz/dφ, as multiples of automatic differentiation's"
    return grouped_table("accuracy", title, ["distribution", "method", *header], rows, labels=2)


def absolute_table(records: Sequence[Record]) -> Table:
    """Relative errors at the points of the paper's protocol and over a wide range, and nanoseconds per element.

    Errors are those of the finite results; the share of the others is beside them, – where a record does not have it.
    """
    header = ["mean", "median", "worst", "not finite", "wide: mean", "median", "worst", "not finite", "ns"]
    rows: list[Row] = []
    for group, note, distribution, methods in _measured(records):
        for method, values in methods.items():
            for dtype in DTYPES:
                errors = [cell for points in ("paper", "wide") for cell in _errors(values[dtype], points)]
                labels = [distribution, method + note, dtype]
                rows.append((group, [*labels, *errors, three_digits(values[dtype]["nanoseconds"])]))
    title = "Relative error, and nanoseconds per element"
    return grouped_table("accuracy_absolute", title, ["distribution", "method", "dtype", *header], rows, labels=3)


def _errors(values: dict[str, float | None], points: str) -> list[str]:
    share = values.get(f"{points}_not_finite")
    errors = [_scientific(values[f"{points}_{kind}"]) for kind in ("mean", "median", "worst")]
    return [*errors, "–" if share is None else f"{share:.1%}" if share else "0"]


# the methods that the README shows
HEADLINE = ("implicit", "torch (J & O 2018)", "TensorFlow Probability", "JAX")


def headline_table(records: Sequence[Record]) -> Table:
    """This package and other libraries, a column per distribution: worst errors over the wide range, and times."""
    by_run: dict[int, tuple[Sequence[Record], str, dict[str, dict[str, Values]]]] = {}
    for group, note, distribution, methods in _measured(records):
        by_run.setdefault(id(group), (group, note, {}))[2][distribution] = methods
    distributions = list(dict.fromkeys(name for _, _, measured in by_run.values() for name in measured))
    rows: list[Row] = []
    for group, note, measured in by_run.values():
        for method in HEADLINE:
            of_method = [measured.get(distribution, {}).get(method) for distribution in distributions]
            for dtype in reversed(DTYPES) if any(of_method) else ():
                errors = [_scientific(values[dtype]["wide_worst"]) if values else "–" for values in of_method]
                times = [three_digits(values[dtype]["nanoseconds"]) if values else "–" for values in of_method]
                rows.append((group, [method + note, dtype, *errors, *times]))
    header = ["dz/dφ by", "dtype", *(f"{name}: error" for name in distributions), *(f"{name}: ns" for name in distributions)]
    title = "Worst relative error over a wide range of parameters, and nanoseconds per element on one thread"
    return grouped_table("accuracy_headline", title, header, rows, labels=2)


def _measured(records: Sequence[Record]) -> Iterator[tuple[Sequence[Record], str, str, dict[str, Values]]]:
    """Group, note on its code, distribution and numbers by method: the medians over repetitions, which differ in time alone."""
    groups = repetitions(records)
    for group, note in zip(groups, code_notes(groups), strict=True):
        for distribution, methods in group[0]["metrics"].items():
            combined = {
                method: {
                    dtype: {
                        name: _median([_number(record, distribution, method, dtype, name) for record in group]) for name in one
                    }
                    for dtype, one in values.items()
                }
                for method, values in methods.items()
            }
            yield group, note, distribution, combined


def _number(record: Record, *path: str) -> float | None:
    value: Any = record["metrics"]
    for name in path:  # another machine may lack a library, and with it a method
        value = value.get(name) if value is not None else None
    return value


def _median(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return statistics.median(finite) if finite else None


def _multiple(values: Values, baseline: Values, dtype: str, name: str) -> str:
    value, one = values[dtype][name], baseline[dtype][name]
    return multiple(None if value is None or not one else value / one)


def _scientific(value: float | None) -> str:
    return three_digits(None) if value is None else f"{value:.1e}"


def read_by_shape(directory: Path) -> dict[str, Any]:
    """Errors and times by dtype, distribution and method: lists ``shape``, ``error`` and ``nanoseconds``.

    Empty for records of schema 1, which have no such file.

    Raises:
        ValueError: the file is damaged.
    """
    path = directory / BY_SHAPE
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def upgraded(record: Record) -> Record:
    """A record of schema 1, where the pseudo-method "all" stood for a comparison; it was computed on the CPU."""
    return {**record, "method": None, "config": {**record["config"], "device": "cpu"}}
