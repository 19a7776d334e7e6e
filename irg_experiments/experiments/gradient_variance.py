"""The variance of the encoder's gradient during training: its config, and how its metrics and methods are called.

The measurement itself is in ``irg_experiments.experiments.compared_estimators``, which imports torch.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, Strict

from irg_experiments.config.components import Methods
from irg_experiments.config.types import Must
from irg_experiments.config.validation import Section
from irg_experiments.results.arrays import Arrays

# metrics of the gradient's variance start with this
VARIANCE = "gradient_variance_"
VARIANCE_TITLE = "variance of the encoder's gradient"

# one gradient has no variance
Repeats = Annotated[int, Strict(), Field(ge=2, le=10**6), Must("a whole number from 2 to 1000000")]


class GradientVariance(Section):
    """What is measured of the encoder's gradient at every evaluation.

    Attributes:
        methods: estimators whose variance is measured; none if empty.
        repeats: gradients per estimator and evaluation.
    """

    methods: Methods
    repeats: Repeats


def variance_names(rows: Sequence[dict[str, Any]], arrays: Arrays) -> dict[str, str]:
    """What the methods are called whose gradient variance is among the metrics, by metric.

    Args:
        rows: metrics over time.
        arrays: of the run, with those of ``ComparedEstimators.names``; a method that is not among them is called by its metric.
    """
    metrics = dict.fromkeys(metric for row in rows for metric in row if metric.startswith(VARIANCE))
    known = dict(zip(map(str, arrays.get("variance_metrics", ())), map(str, arrays.get("variance_labels", ())), strict=True))
    return {metric: known.get(metric, metric.removeprefix(VARIANCE).replace("_", " ")) for metric in metrics}
