"""What figures share: they are PNG files, and learning curves of one run and of several."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, ScalarFormatter

from irg_experiments.results.curves import Curve

# of curves, after one that has every colour
LINE_STYLES = ("-", "--", ":", "-.")
# numbers of steps, short: 150k
STEPS = EngFormatter(sep="")


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure as PNG and lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
    return path


def learning_curve(path: Path, rows: Sequence[dict[str, Any]], metric: str, reference: tuple[str, float] | None) -> Path:
    """A metric against steps on a logarithmic axis, with a reference value as a dashed line; null values leave gaps."""
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.plot(*_points(rows, metric), marker=".")
    if reference is not None:
        axes.axhline(reference[1], color="gray", linestyle="--", label=f"{reference[0]}: {reference[1]:g}")
        axes.legend()
    axes.set(xlabel="step", ylabel=metric.replace("_", " "))
    axes.xaxis.set_major_formatter(STEPS)
    _logarithmic(axes)
    return save(figure, path)


def metrics_over_steps(path: Path, rows: Sequence[dict[str, Any]], names: Mapping[str, str], ylabel: str) -> Path:
    """Several metrics of one run against steps on a logarithmic axis; null values leave gaps.

    Args:
        path: where to write.
        rows: metrics over time.
        names: of the curves, by metric.
        ylabel: what the metrics are.
    """
    figure, axes = plt.subplots(figsize=(6, 3.5))
    for metric, name in names.items():
        axes.plot(*_points(rows, metric), marker=".", label=name)
    axes.set(xlabel="step", ylabel=ylabel, yscale="log")
    axes.xaxis.set_major_formatter(STEPS)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the curves
    return save(figure, path)


def _points(rows: Sequence[dict[str, Any]], metric: str) -> Iterator[tuple[float, ...]]:
    """The steps, then the values."""
    return zip(*((row["step"], np.nan if row[metric] is None else row[metric]) for row in rows if metric in row), strict=True)


def compared_curves(path: Path, curves: Mapping[str, Curve], ylabel: str) -> Path:
    """Curves of several configurations, by name: against steps and against seconds, with bands of one standard deviation."""
    figure, panels = plt.subplots(1, 2, figsize=(13, 4), sharey=True, layout="constrained")
    colours = len(plt.rcParams["axes.prop_cycle"])
    for number, (name, curve) in enumerate(curves.items()):
        style = LINE_STYLES[number // colours % len(LINE_STYLES)]
        for axes, x in zip(panels, (curve.steps, curve.seconds), strict=True):
            (line,) = axes.plot(x, curve.mean, marker=".", linestyle=style, label=name)
            if curve.spread is not None:
                band = curve.mean - curve.spread, curve.mean + curve.spread
                axes.fill_between(x, *band, color=line.get_color(), alpha=0.2, linewidth=0)
    panels[0].set(xlabel="step", ylabel=ylabel)
    panels[0].xaxis.set_major_formatter(STEPS)
    _logarithmic(panels[0])
    panels[1].set(xlabel="seconds of training")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside right upper")
    return save(figure, path)


def _logarithmic(axes: Axes) -> None:
    axes.set(yscale="log")
    for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        which(ScalarFormatter())
