"""Figures of variational auto-encoders, as PNG files: images in rows, latent spaces, the variance of the gradient."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from irg_experiments.results.figures import STEPS, save

Array = NDArray[np.floating]
Labels = NDArray[np.integer] | None


def image_grid(path: Path, images: Array, side: int, gap: int = 0) -> Path:
    """Images (rows, columns, side²) of values between 0, white, and 1, black, so many pixels apart."""
    rows, columns, _ = images.shape
    padded = np.pad(images.reshape(rows, columns, side, side), ((0, 0), (0, 0), (gap, gap), (gap, gap)))
    pitch = side + 2 * gap
    picture = padded.transpose(0, 2, 1, 3).reshape(rows * pitch, columns * pitch)
    figure, axes = plt.subplots(figsize=(0.5 * columns, 0.5 * rows))
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    return save(figure, path)


def latent_space(folder: Path, means: Array, labels: Labels, geometry: str) -> Iterator[Path]:
    """The latent mean of each image, coloured by class, in the picture of its geometry: ``latent_space.png``, and for the
    torus and the sphere ``latent_space_3d.png`` as well.

    Args:
        folder: where to write.
        means: (N, 2), or for sphere and simplex (N, 3).
        labels: (N,) classes, or None.
        geometry: plane, square, quadrant, torus, sphere or simplex.
    """
    points, limits, axis_labels = _flat(means, geometry)
    figure, axes = plt.subplots(figsize=(6.5, 6 if geometry != "sphere" else 3.6))
    scatter = axes.scatter(*points.T, **_style(len(means), labels))
    axes.set(xlabel=axis_labels[0], ylabel=axis_labels[1], xlim=limits[0], ylim=limits[1])
    if geometry == "torus":
        _wrapped_edges(axes)
    if geometry != "quadrant":
        axes.set_aspect("equal")
    _legend(axes, scatter, labels)
    yield save(figure, folder / "latent_space.png")
    if geometry in ("torus", "sphere"):
        surface = _torus(means[:, 0], means[:, 1]) if geometry == "torus" else means
        figure = plt.figure(figsize=(7, 6))
        space: Any = figure.add_subplot(projection="3d")
        scatter = space.scatter(*surface.T, **_style(len(means), labels))
        space.plot_wireframe(*_mesh(geometry), color="gray", linewidth=0.3, alpha=0.4, rcount=24, ccount=24)
        space.set_box_aspect((3, 3, 1) if geometry == "torus" else (1, 1, 1))
        space.set(xticks=[], yticks=[], zticks=[])
        _legend(space, scatter, labels)
        yield save(figure, folder / "latent_space_3d.png")


def gradient_variance(path: Path, rows: Sequence[dict[str, Any]], prefix: str) -> Path:
    """The metrics that start with ``prefix`` against steps, a curve for each method."""
    methods = dict.fromkeys(name for row in rows for name in row if name.startswith(prefix))
    figure, axes = plt.subplots(figsize=(6, 3.5))
    for name in methods:
        points = [(row["step"], row[name]) for row in rows if name in row]
        axes.plot(*zip(*points, strict=True), marker=".", label=name.removeprefix(prefix).replace("_", " "))
    axes.set(xlabel="step", ylabel="variance of the encoder's gradient", yscale="log")
    axes.xaxis.set_major_formatter(STEPS)
    axes.legend()
    return save(figure, path)


def _flat(means: Array, geometry: str) -> tuple[Array, tuple[tuple[float, float], ...], tuple[str, str]]:
    """The points in the plane, the limits of the axes, and what these are."""
    names = ("$z_1$", "$z_2$")
    if geometry == "square":
        return means, ((0, 1), (0, 1)), names
    if geometry == "torus":
        return means, ((-np.pi, np.pi), (-np.pi, np.pi)), names
    if geometry == "sphere":
        # equal areas stay equal (Lambert's cylindrical projection)
        angles = np.stack([np.arctan2(means[:, 1], means[:, 0]), means[:, 2]], -1)
        return angles, ((-np.pi, np.pi), (-1, 1)), ("longitude", "height $z_3$")
    if geometry == "simplex":
        corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
        return means @ corners, ((-0.02, 1.02), (-0.02, 0.9)), ("simplex: corners are parts 1, 2 and, on top, 3", "")
    # a far point or two must not squeeze all others
    low, high = np.quantile(means, 0.002, 0), np.quantile(means, 0.998, 0)
    margin = 0.05 * (high - low) + 1e-6
    start = np.zeros(2) if geometry == "quadrant" else low - margin
    limits = tuple((float(a), float(b)) for a, b in zip(start, high + margin, strict=True))
    return means, limits, names


def _torus(first: Array, second: Array) -> Array:
    """Points on a torus in space: the first angle the long way round, the second the short way."""
    radius = 2 + np.cos(second)
    return np.stack([radius * np.cos(first), radius * np.sin(first), np.sin(second)], -1)


def _mesh(geometry: str) -> Array:
    """The coordinates of a mesh on the torus or the sphere: (3, rows, columns)."""
    first, second = np.meshgrid(np.linspace(-np.pi, np.pi, 25), np.linspace(-np.pi, np.pi, 25))
    if geometry == "torus":
        return _torus(first, second).transpose(2, 0, 1)
    radius, height = np.cos(second / 2), np.sin(second / 2)
    return np.stack([radius * np.cos(first), radius * np.sin(first), height])


def _wrapped_edges(axes: Axes) -> None:
    """Marks that opposite edges are the same: in the same colour, and by name."""
    for edges, colour in ((("left", "right"), "tab:red"), (("top", "bottom"), "tab:blue")):
        for edge in edges:
            axes.spines[edge].set(color=colour, linewidth=2.5)
    ticks, names = [-np.pi, 0, np.pi], ["−π", "0", "π"]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set_title("edges of one colour are glued together", fontsize="small")


def _style(number: int, labels: Labels) -> dict[str, Any]:
    style: dict[str, Any] = {"s": min(max(40_000 / number, 4), 40), "alpha": 0.7, "linewidths": 0}
    return style if labels is None else {**style, "c": labels, "cmap": "tab10", "vmin": -0.5, "vmax": 9.5}


def _legend(axes: Any, scatter: Any, labels: Labels) -> None:
    if labels is not None:
        handles, names = scatter.legend_elements(num=list(range(int(labels.max()) + 1)))
        axes.legend(handles, names, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")
