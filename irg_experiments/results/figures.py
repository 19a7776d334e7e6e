"""Figures, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray


def _save(figure: Figure, path: Path) -> Path:
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
    for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        which(ScalarFormatter())
    return _save(figure, path)


def topic_weights(path: Path, mean_weights: NDArray[np.floating], share_near_zero: float, threshold: float) -> Path:
    """The mean weight of each topic over the documents, largest first."""
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.bar(np.arange(1, len(mean_weights) + 1), np.sort(mean_weights)[::-1])
    axes.set(xlabel="topic, by weight", ylabel="mean weight over test documents")
    axes.set_title(f"{share_near_zero:.0%} of the document weights are below {threshold:g}")
    return _save(figure, path)


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
    return _save(figure, path)
