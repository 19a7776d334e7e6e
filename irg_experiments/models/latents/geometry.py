"""Geometries of latent spaces: the code that the decoder gets, the map from the unit square, and what a picture needs.

The pictures are described as NumPy arrays, so that figures draw any geometry in the same way.
"""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributions as td
from numpy.typing import NDArray
from torch import Tensor

from irg_experiments.implicit.distributions.beta import Beta
from irg_experiments.implicit.distributions.truncated import Truncated

Array = NDArray[np.floating]
Bounds = tuple[float, float]

_MESH = 25


def in_prior_units(z: Tensor, prior: td.Distribution) -> Tensor:
    """(z − mean) / standard deviation of the prior: a decoder learns faster if its first layer gets numbers of order one."""
    return (z - prior.mean) / prior.variance.sqrt()


class Geometry(abc.ABC):
    """The shape of a latent space. A subclass implements ``axis_limits`` and overrides what differs from the plane.

    ``quantile`` and the members that describe pictures are for spaces of two degrees of freedom. The argument ``prior`` is the
    distribution of one coordinate if the prior is a product over coordinates, else the prior.

    Attributes:
        axis_labels: of the two axes of the flat picture.
        equal_aspect: whether a unit has the same length on both axes of the flat picture.
        ticks: positions and names of the ticks of both axes; None leaves them to the plot.
        glued: whether opposite edges of the flat picture are the same points.
        box_aspect: lengths of the three axes of the picture in space.
    """

    axis_labels: ClassVar[tuple[str, str]] = ("$z_1$", "$z_2$")
    equal_aspect: ClassVar[bool] = True
    ticks: ClassVar[Mapping[float, str] | None] = None
    glued: ClassVar[bool] = False
    box_aspect: ClassVar[tuple[float, float, float]] = (1, 1, 1)

    def code(self, z: Tensor, prior: td.Distribution) -> Tensor:
        """The input of the decoder for samples z, of shape (..., code size); by default z in units of the prior."""
        return in_prior_units(z, prior)

    def quantile(self, u: Tensor, prior: Any) -> Tensor:
        """Maps points of the unit square, (..., 2), to the latent space, so that the uniform distribution becomes the prior."""
        return Truncated(prior, validate_args=False).icdf(u)

    def flat(self, points: Array) -> Array:
        """Positions in the flat picture, (N, 2), of N points of the latent space."""
        return points

    @abc.abstractmethod
    def axis_limits(self, flat: Array) -> tuple[Bounds, Bounds]:
        """Limits of the two axes of the flat picture of the points ``flat(points)``."""

    def embed(self, points: Array) -> Array | None:
        """Positions in space, (N, 3), of N points of the latent space; None if there is no picture in space."""
        return None

    def mesh(self) -> Array | None:
        """The latent space as a mesh in space, (3, rows, columns); None if there is no picture in space."""
        return None


class Plane(Geometry):
    """All real numbers in each coordinate."""

    def axis_limits(self, flat: Array) -> tuple[Bounds, Bounds]:
        """See ``Geometry``; without the outermost points, which would squeeze all others."""
        low, high, margin = _bulk(flat)
        return _bounds(low - margin, high + margin)


class Quadrant(Geometry):
    """Positive numbers in each coordinate."""

    equal_aspect = False

    def axis_limits(self, flat: Array) -> tuple[Bounds, Bounds]:
        """See ``Geometry``; from zero, and without the largest points, which would squeeze all others."""
        _, high, margin = _bulk(flat)
        return _bounds(np.zeros(2), high + margin)


class Square(Geometry):
    """Numbers between 0 and 1 in each coordinate."""

    def axis_limits(self, flat: Array) -> tuple[Bounds, Bounds]:
        """See ``Geometry``."""
        return (0.0, 1.0), (0.0, 1.0)


class Torus(Geometry):
    """An angle from −π to π in each coordinate."""

    ticks: ClassVar[Mapping[float, str] | None] = {-np.pi: "−π", 0.0: "0", np.pi: "π"}
    glued = True
    box_aspect = (3, 3, 1)

    def code(self, z: Tensor, prior: td.Distribution) -> Tensor:
        """[cos z, sin z], which has no jump where the angle wraps."""
        return torch.cat([z.cos(), z.sin()], -1)

    def quantile(self, u: Tensor, prior: Any) -> Tensor:
        """See ``Geometry``."""
        return Truncated(prior, -torch.pi, torch.pi, validate_args=False).icdf(u)

    def axis_limits(self, flat: Array) -> tuple[Bounds, Bounds]:
        """See ``Geometry``."""
        return (-np.pi, np.pi), (-np.pi, np.pi)

    def embed(self, points: Array) -> Array | None:
        """See ``Geometry``; the first angle goes around the axis of the torus, the second around its tube."""
        return _torus(points[:, 0], points[:, 1])

    def mesh(self) -> Array | None:
        """See ``Geometry``."""
        return np.moveaxis(_torus(*_angles()), -1, 0)


class Sphere(Geometry):
    """Unit vectors in D + 1 dimensions, with the uniform prior."""

    axis_labels = ("longitude", "height $z_3$")

    def code(self, z: Tensor, prior: td.Distribution) -> Tensor:
        """The unit vector itself."""
        return z

    def quantile(self, u: Tensor, prior: Any) -> Tensor:
        """From longitude and height: areas between parallels are proportional to the difference of their heights."""
        longitude, height = 2 * torch.pi * u[..., 0], 2 * u[..., 1] - 1
        radius = (1 - height * height).sqrt()
        return torch.stack([radius * longitude.cos(), radius * longitude.sin(), height], -1)

    def flat(self, points: Array) -> Array:
        """Lambert's cylindrical projection, in which equal areas stay equal."""
        return np.stack([np.arctan2(points[:, 1], points[:, 0]), points[:, 2]], -1)

    def axis_limits(self, flat: Array) -> tuple[Bounds, Bounds]:
        """See ``Geometry``."""
        return (-np.pi, np.pi), (-1.0, 1.0)

    def embed(self, points: Array) -> Array | None:
        """See ``Geometry``."""
        return points

    def mesh(self) -> Array | None:
        """See ``Geometry``."""
        longitude, latitude = _angles()
        radius, height = np.cos(latitude / 2), np.sin(latitude / 2)
        return np.stack([radius * np.cos(longitude), radius * np.sin(longitude), height])


class Simplex(Geometry):
    """D + 1 positive parts with sum one, with a symmetric Dirichlet prior."""

    axis_labels = ("simplex: corners are parts 1, 2 and, on top, 3", "")

    def quantile(self, u: Tensor, prior: Any) -> Tensor:
        """By breaking the stick: the first part is Beta(α, 2α), the second's share of the rest Beta(α, α)."""
        alpha = prior.concentration[0]
        first, share = (
            Truncated(Beta(alpha, rest * alpha, validate_args=False), validate_args=False).icdf(u[..., index])
            for index, rest in ((0, 2), (1, 1))
        )
        return torch.stack([first, (1 - first) * share, (1 - first) * (1 - share)], -1)

    def flat(self, points: Array) -> Array:
        """Barycentric coordinates in an equilateral triangle of side one."""
        return points @ np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])

    def axis_limits(self, flat: Array) -> tuple[Bounds, Bounds]:
        """See ``Geometry``."""
        return (-0.02, 1.02), (-0.02, 0.9)


def _bulk(flat: Array) -> tuple[Array, Array, Array]:
    """The 0.2% and 99.8% quantiles of each coordinate, and a margin of a twentieth of their distance."""
    low, high = np.quantile(flat, 0.002, 0), np.quantile(flat, 0.998, 0)
    return low, high, 0.05 * (high - low) + 1e-6


def _bounds(low: Array, high: Array) -> tuple[Bounds, Bounds]:
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _torus(first: Array, second: Array) -> Array:
    radius = 2 + np.cos(second)
    return np.stack([radius * np.cos(first), radius * np.sin(first), np.sin(second)], -1)


def _angles() -> tuple[Array, Array]:
    """Two angles from −π to π over a mesh."""
    steps = np.linspace(-np.pi, np.pi, _MESH)
    first, second = np.meshgrid(steps, steps)
    return first, second
