"""Variance of the gradient against the swept parameter."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from irg_experiments.experiments.cross_entropy.results import VARIANTS
from irg_experiments.results.drawing import Figure
from irg_experiments.results.figures import save

# of the swept parameter: label of the axis, and whether it is logarithmic
AXES = {"Dirichlet": ("first concentration of q", "linear"), "von Mises": ("concentration of q", "log")}
# of the lines of a method, by what was subtracted from f
STYLES = {"nothing": "-", "mean": ":", "best": "--"}


def figures(curves: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    """The picture of a run, from its curves."""
    yield Figure("variance", partial(variance_sweeps, curves=curves))


def variance_sweeps(path: Path, curves: Sequence[dict[str, Any]]) -> Path:
    """A panel per distribution; legends in the order of the variance.

    Args:
        path: of the PNG file.
        curves: see ``read_curves``; null values leave gaps.
    """
    distributions = list(dict.fromkeys(curve["distribution"] for curve in curves))
    labels = sorted({curve["method"] for curve in curves})
    figure, row = plt.subplots(1, len(distributions), figsize=(6 * len(distributions), 4.5), squeeze=False)
    for axes, distribution in zip(row[0], distributions, strict=True):
        panel(axes, distribution, [curve for curve in curves if curve["distribution"] == distribution], labels)
    figure.tight_layout()
    return save(figure, path)


def panel(axes: Axes, distribution: str, curves: Sequence[dict[str, Any]], labels: Sequence[str]) -> None:
    """One distribution: a colour per method, a style per constant that was subtracted from f, a thick black reference.

    Args:
        axes: to draw on.
        distribution: its name.
        curves: of this distribution.
        labels: of all methods, in whose order they have their colours.
    """
    colours = plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
    for curve in sorted(curves, key=_mean_log_variance, reverse=True):
        style: dict[str, Any] = {"color": colours[labels.index(curve["method"]) % len(colours)]}
        if curve["reference"]:
            style = {"color": "black", "linewidth": 2}
        style["linestyle"] = STYLES[curve["subtracted"]]
        if curve["subtracted"] == "nothing":
            style["label"] = curve["method"]
        axes.plot(_array(curve["parameter"]), _array(curve["variance"]), **style)
    for subtracted in dict.fromkeys(curve["subtracted"] for curve in curves):
        if subtracted != "nothing":
            axes.plot([], [], color="grey", linestyle=STYLES[subtracted], label=VARIANTS[subtracted].removeprefix(", "))
    label, scale = AXES[distribution.partition(",")[0]]
    axes.set(title=distribution, xlabel=label, xscale=scale, ylabel="variance of the gradient", yscale="log")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def _mean_log_variance(curve: dict[str, Any]) -> float:
    variance = _array(curve["variance"])
    positive = variance[variance > 0]
    return float(np.log(positive).mean()) if len(positive) else np.inf


def _array(values: Sequence[float | None]) -> Any:
    return np.array(values, dtype=float)
