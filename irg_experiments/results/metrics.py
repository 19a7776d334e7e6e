"""Every metric of every configuration: mean, standard error of the mean, and number of runs."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from irg_experiments.results.aggregate import command, repetitions
from irg_experiments.results.numbers import standard_deviation
from irg_experiments.results.record import Record
from irg_experiments.results.schema import leaves
from irg_experiments.results.table import Table


class Metric(NamedTuple):
    """A metric over repetitions.

    Attributes:
        name: with those of the sections that it is in, separated by dots.
        values: per run; None where it is not finite or was not measured.
    """

    name: str
    values: Sequence[float | None]

    @property
    def finite(self) -> list[float]:
        """The values that are numbers."""
        return [value for value in self.values if value is not None]

    @property
    def mean(self) -> float | None:
        """Over the runs; None if one of them lacks a finite value."""
        return statistics.fmean(self.finite) if len(self.finite) == len(self.values) else None

    @property
    def standard_error(self) -> float | None:
        """s/√n, with s the standard deviation over n > 1 runs; None for one run, or without a mean."""
        n = len(self.values)
        return standard_deviation(self.finite) / math.sqrt(n) if n > 1 and self.mean is not None else None

    def __str__(self) -> str:
        """Mean ± standard error, with two digits of the error."""
        mean, error = self.mean, self.standard_error
        if mean is None:
            return "–"
        if not error:
            return f"{mean:.6g}"
        decimals = 1 - math.floor(math.log10(error))
        style = f".{decimals}f" if 0 <= decimals <= 6 and abs(mean) < 1e7 else ".2e"
        return f"{mean:{style}} ± {error:{style}}"


def metrics_of(records: Sequence[Record]) -> list[Metric]:
    """The metrics that any of the repetitions has, in the order of the first."""
    found = [dict(leaves(record["metrics"])) for record in records]
    names = dict.fromkeys(name for metrics in found for name in metrics)
    return [Metric(name, [metrics.get(name) for metrics in found]) for name in names]


def metrics_table(experiment: str, records: Sequence[Record]) -> Table:
    """One row per configuration and metric, for programs; numbers as they were recorded."""
    groups = repetitions(records)
    header, rows, made_of = ["command", "metric", "mean", "standard error", "runs"], [], []
    for group in groups:
        line = command(group)
        for metric in metrics_of(group):
            rows.append([line, metric.name, _number(metric.mean), _number(metric.standard_error), str(len(group))])
            made_of.append(group)
    return Table(f"{experiment}_metrics", "All metrics", header, rows, labels=2, made_of=made_of)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
