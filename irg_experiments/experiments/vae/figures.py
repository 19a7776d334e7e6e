"""Learning curve, images of reconstructions and samples, latent spaces, and the variance of the encoder's gradient."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from irg_experiments.experiments.gradient_variance import VARIANCE_TITLE, variance_names
from irg_experiments.results.arrays import Arrays
from irg_experiments.results.drawing import Figure
from irg_experiments.results.figures import learning_curve, metrics_over_steps, save
from irg_experiments.training.metrics_log import read_rows

# what the state is selected by: the first that a run has; without validation images, the same of training images
LEARNING = ("validation_negative_bound", "validation_negative_elbo", "training_negative_bound", "training_negative_elbo")
# of the latent space's picture, in inches
WIDTH, LEAST_HEIGHT, MOST_HEIGHT = 6.5, 3.6, 6.0


def figures(directory: Path, arrays: Arrays) -> Iterator[Figure]:
    """The pictures of a run, from its metrics over time and its arrays (see ``pictures.pictures``)."""
    rows = read_rows(directory)
    learning = next((metric for metric in LEARNING if any(metric in row for row in rows)), None)
    if learning is not None:
        yield Figure("learning_curve", partial(learning_curve, rows=rows, metric=learning, reference=None))
    for name in ("reconstructions", "prior_samples", "manifold"):
        if name in arrays:
            side = int(arrays["side"])
            gap = 0 if name == "manifold" else side // 8
            yield Figure(name, partial(image_grid, images=arrays[name], side=side, gap=gap))
    if "flat" in arrays:
        yield Figure("latent_space", partial(latent_space, arrays=arrays))
    if "points" in arrays:
        yield Figure("latent_space_3d", partial(latent_space_3d, arrays=arrays))
    names = variance_names(rows, arrays)
    if names:
        yield Figure("gradient_variance", partial(metrics_over_steps, rows=rows, names=names, ylabel=VARIANCE_TITLE))


def image_grid(path: Path, images: NDArray[np.uint8], side: int, gap: int = 0) -> Path:
    """Images (rows, columns, side²) of values between 0, white, and 255, black, at a distance of 2 ``gap`` pixels."""
    rows, columns, _ = images.shape
    padded = np.pad(images.reshape(rows, columns, side, side), ((0, 0), (0, 0), (gap, gap), (gap, gap)))
    pitch = side + 2 * gap
    picture = padded.transpose(0, 2, 1, 3).reshape(rows * pitch, columns * pitch)
    figure, axes = plt.subplots(figsize=(0.5 * columns, 0.5 * rows))
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    return save(figure, path)


def latent_space(path: Path, arrays: Arrays) -> Path:
    """The latent mean of each test image in the plane, coloured by class."""
    flat, (x_limits, y_limits) = arrays["flat"], arrays["axis_limits"]
    x_label, y_label = map(str, arrays["axis_labels"])
    equal = bool(arrays["equal_aspect"])
    height = WIDTH * np.ptp(y_limits) / np.ptp(x_limits) if equal else MOST_HEIGHT
    figure, axes = plt.subplots(figsize=(WIDTH, np.clip(height, LEAST_HEIGHT, MOST_HEIGHT)))
    scatter = axes.scatter(*flat.T, **_style(arrays))
    axes.set(xlabel=x_label, ylabel=y_label, xlim=x_limits, ylim=y_limits, aspect="equal" if equal else "auto")
    if "ticks" in arrays:
        axes.set_xticks(arrays["ticks"], arrays["tick_labels"])
        axes.set_yticks(arrays["ticks"], arrays["tick_labels"])
    if arrays["glued"]:
        _mark_glued_edges(axes)
    _legend(axes, scatter, arrays)
    return save(figure, path)


def latent_space_3d(path: Path, arrays: Arrays) -> Path:
    """The latent mean of each test image on the surface that its geometry is in space, coloured by class."""
    figure = plt.figure(figsize=(7, 6))
    space: Any = figure.add_subplot(projection="3d")
    scatter = space.scatter(*arrays["points"].T, **_style(arrays))
    space.plot_wireframe(*arrays["mesh"], color="gray", linewidth=0.3, alpha=0.4, rcount=24, ccount=24)
    space.set_box_aspect(arrays["box_aspect"])
    space.set(xticks=[], yticks=[], zticks=[])
    _legend(space, scatter, arrays)
    return save(figure, path)


def _mark_glued_edges(axes: Axes) -> None:
    """Shows that opposite edges are the same: in the same colour, and by name."""
    for edges, colour in ((("left", "right"), "tab:red"), (("top", "bottom"), "tab:blue")):
        for edge in edges:
            axes.spines[edge].set(color=colour, linewidth=2.5)
    axes.set_title("edges of one colour are glued together", fontsize="small")


def _style(arrays: Arrays) -> dict[str, Any]:
    style: dict[str, Any] = {"s": min(max(40_000 / len(arrays["flat"]), 4), 40), "alpha": 0.7, "linewidths": 0}
    return {**style, "c": arrays["labels"], "cmap": "tab10", "vmin": -0.5, "vmax": 9.5} if "labels" in arrays else style


def _legend(axes: Any, scatter: Any, arrays: Arrays) -> None:
    if "labels" in arrays:
        handles, names = scatter.legend_elements(num=list(range(int(arrays["labels"].max()) + 1)))
        axes.legend(handles, names, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")
