"""What figures share: they are PNG files, and a learning curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, ScalarFormatter

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
    points = [(row["step"], np.nan if row[metric] is None else row[metric]) for row in rows if metric in row]
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
