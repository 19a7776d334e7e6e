"""Figures, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, ScalarFormatter
from numpy.typing import NDArray

# numbers of steps, short: 150k
STEPS = EngFormatter(sep="")


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure as PNG and lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
    return path


def learning_curve(path: Path, rows: Sequence[dict[str, Any]], metric: str, reference: tuple[str, float] | None) -> Path:
    """A metric against steps on a logarithmic axis, with a reference value as a dashed line."""
    points = [(row["step"], row[metric]) for row in rows if metric in row]
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.plot(*zip(*points, strict=True), marker=".")
    if reference is not None:
        axes.axhline(reference[1], color="gray", linestyle="--", label=f"{reference[0]}: {reference[1]:g}")
        axes.legend()
    axes.set(xlabel="step", ylabel=metric.replace("_", " "), yscale="log")
    axes.xaxis.set_major_formatter(STEPS)
    for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        which(ScalarFormatter())
    return save(figure, path)


def topic_weights(path: Path, mean_weights: NDArray[np.floating], share_near_zero: float, threshold: float) -> Path:
    """The mean weight of each topic over the documents, largest first."""
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.bar(np.arange(1, len(mean_weights) + 1), np.sort(mean_weights)[::-1])
    axes.set(xlabel="topic, by weight", ylabel="mean weight over test documents")
    axes.set_title(f"{share_near_zero:.0%} of the document weights are below {threshold:g}")
    return save(figure, path)


def topic_images(path: Path, rows: dict[str, NDArray[np.floating]], side: int) -> Path:
    """Topics over a square vocabulary as images: one row of pictures for each entry of ``rows``, of shape (side², K)."""
    number = max(topics.shape[1] for topics in rows.values())
    figure, axes = plt.subplots(len(rows), number, figsize=(number * 0.8, len(rows) * 1.0), squeeze=False)
    for row, (label, topics) in zip(axes, rows.items(), strict=True):
        for axis, topic in zip(row, topics.T, strict=False):
            axis.imshow(topic.reshape(side, side), cmap="gray_r", vmin=0)
        for axis in row:
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(label)
    return save(figure, path)


class Panel(NamedTuple):
    """Curves over one swept parameter."""

    axis: str
    logarithmic: bool
    values: list[float]
    curves: dict[str, list[float]]


def variance_sweeps(path: Path, panels: dict[str, Panel]) -> Path:
    """Variance against the swept parameter, a panel for each distribution; legends in the order of the variance."""
    figure, row = plt.subplots(1, len(panels), figsize=(6 * len(panels), 4.5), squeeze=False)
    labels = sorted({label for panel in panels.values() for label in panel.curves})
    for axes, (name, panel) in zip(row[0], panels.items(), strict=True):
        for label in sorted(panel.curves, key=lambda label: -float(np.log(panel.curves[label]).mean())):
            number = labels.index(label)
            style: dict[str, Any] = {"color": f"C{number % 10}", "linestyle": "-" if number < 10 else "--"}
            if label == "implicit":
                style = {"color": "black", "linewidth": 2}
            axes.plot(panel.values, panel.curves[label], label=label, **style)
        axes.set(title=name, xlabel=panel.axis, ylabel="variance of the gradient", yscale="log")
        if panel.logarithmic:
            axes.set_xscale("log")
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    return save(figure, path)


def by_shape(path: Path, panels: dict[str, dict[str, dict[float, float]]], quantity: str) -> Path:
    """A quantity of each method against the first parameter, both logarithmic, a panel for each distribution."""
    figure, row = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 4.3), squeeze=False, layout="constrained")
    lines: dict[str, Line2D] = {}
    for axes, (name, curves) in zip(row[0], panels.items(), strict=True):
        for label, points in curves.items():
            colour = lines[label].get_color() if label in lines else f"C{len(lines)}"
            (lines[label],) = axes.plot(list(points), list(points.values()), marker=".", color=colour)
        axes.set(title=name, xlabel="first parameter", ylabel=quantity, xscale="log", yscale="log")
    figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=len(lines))
    return save(figure, path)
