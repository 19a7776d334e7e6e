"""Error and time of each method against the first parameter."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from irg_experiments.results.drawing import Figure
from irg_experiments.results.figures import save


def figures(by_shape: dict[str, Any]) -> Iterator[Figure]:
    """The pictures of a run; see ``read_by_shape``."""
    for dtype, panels in by_shape.items():
        # zero has no logarithm
        smallest = float(np.finfo(dtype).eps) / 100
        error, time = (partial(curves, panels=panels, quantity=quantity) for quantity in ("error", "nanoseconds"))
        yield Figure(f"error_{dtype}", partial(error, label=f"mean relative error, {dtype}", smallest=smallest))
        if all(numbers["nanoseconds"] for methods in panels.values() for numbers in methods.values()):
            yield Figure(f"time_{dtype}", partial(time, label=f"nanoseconds per element, {dtype}"))


def curves(path: Path, panels: dict[str, Any], quantity: str, label: str, smallest: float = 0.0) -> Path:
    """A quantity of each method against the first parameter, both logarithmic, a panel per distribution.

    Args:
        path: of the PNG file.
        panels: lists of numbers by distribution, method and quantity, "shape" among the quantities.
        quantity: to draw.
        label: of its axis.
        smallest: values below are drawn there.
    """
    figure, row = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 4.3), squeeze=False, layout="constrained")
    lines: dict[str, Line2D] = {}
    for axes, (distribution, methods) in zip(row[0], panels.items(), strict=True):
        for method, numbers in methods.items():
            colour = lines[method].get_color() if method in lines else f"C{len(lines)}"
            values = np.maximum(np.array(numbers[quantity], dtype=float), smallest)
            (lines[method],) = axes.plot(numbers["shape"], values, marker=".", color=colour)
        axes.set(title=distribution, xlabel="first parameter", ylabel=label, xscale="log", yscale="log")
    figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=len(lines))
    return save(figure, path)
