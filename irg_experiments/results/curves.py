"""A metric over the steps of training, averaged over repetitions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from irg_experiments.results.record import Record

# what a run logged, in the order of the steps: numbers by name, None where one was not finite
Rows = Sequence[dict[str, Any]]


class Curve(NamedTuple):
    """A metric at n evaluations; NaN where it was not finite.

    Attributes:
        steps: done before each evaluation, (n,).
        seconds: of training before each evaluation, (n,).
        mean: over the runs, (n,).
        spread: standard deviation over the runs, (n,); None for a single run.
    """

    steps: NDArray[np.floating]
    seconds: NDArray[np.floating]
    mean: NDArray[np.floating]
    spread: NDArray[np.floating] | None


def mean_curve(runs: Sequence[tuple[Record, Rows]], metric: str) -> Curve:
    """The mean curve of repetitions, at the steps at which every one of them has the metric.

    The rows hold no times, so that those of a repeated run are the same. The seconds are those of the training steps alone, a
    step taken to last as long as the mean step of the runs, which counts what the first steps spend on compilation.

    Args:
        runs: the records, with what each run logged.
        metric: its name in the rows.
    """
    values = [
        {row["step"]: np.nan if row[metric] is None else row[metric] for row in rows if metric in row} for _, rows in runs
    ]
    steps = np.array(sorted(set.intersection(*map(set, values))), float)
    table = np.array([[run[step] for step in steps] for run in values], float)
    seconds_per_step = np.mean([1 / record["steps_per_second"] for record, _ in runs])
    return Curve(steps, steps * seconds_per_step, table.mean(0), table.std(0, ddof=1) if len(runs) > 1 else None)
