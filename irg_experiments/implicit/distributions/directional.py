"""The abstract base class of distributions on the unit sphere that are symmetric around a mean direction."""

import abc

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import in_floating_point
from irg_experiments.implicit.distributions.hyperspherical_uniform import (
    HypersphericalUniform,
    uniform_direction,
    unit_vector,
)
from irg_experiments.implicit.special.von_mises_fisher import checked_dimension


class Directional(Reparameterizable):
    """Base class of distributions whose density depends on <loc, z> alone: z = cos θ loc + sin θ v.

    Args:
        loc: mean direction, unit vectors of shape (..., d), d ≥ 2.
        concentration: κ ≥ 0 and finite, of shape (...), broadcast with the batch shape of ``loc``. The distribution is uniform
            at κ = 0.
        validate_args: whether to check arguments and values.

    Raises:
        ValueError: ``loc`` is not a vector of at least 2 coordinates.

    The angle θ, with its gradient in κ, is the subclass's; v is uniform among the unit vectors orthogonal to loc. A change of
    loc rotates z by the shortest rotation of loc: dz = cos θ dloc − sin θ <v, dloc> loc. Gradients with respect to ``loc`` and
    values are defined on the sphere. Their radial part is arbitrary, and vanishes in the derivative of a normalised vector.
    """

    arg_constraints = {"loc": unit_vector, "concentration": constraints.nonnegative}
    support = unit_vector

    def __init__(self, loc: Tensor, concentration: Tensor | float, validate_args: bool | None = None) -> None:
        if loc.dim() == 0 or loc.shape[-1] < 2:
            raise ValueError(f"loc must be a vector of at least 2 coordinates, but has shape {tuple(loc.shape)}")
        loc, concentration = in_floating_point(loc, concentration)
        if not isinstance(concentration, Tensor):
            concentration = torch.as_tensor(concentration, dtype=loc.dtype, device=loc.device)
        batch_shape = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        self.loc = loc.expand(batch_shape + loc.shape[-1:])
        self.concentration = concentration.expand(batch_shape)
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)

    @abc.abstractmethod
    def _polar(self, shape: Size, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """Draw cos θ and sin θ of the given shape, with their gradient in the concentration."""

    @abc.abstractmethod
    def _spread(self) -> tuple[Tensor, Tensor]:
        """Return the variance of a sample along ``loc``, and that along each orthogonal direction."""

    @property
    def dimension(self) -> int:
        """d, the number of coordinates of a sample."""
        return checked_dimension(self.event_shape[0])

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Variance per coordinate: A loc_i² + B (1 − loc_i²), A along loc and B along each orthogonal direction."""
        along, across = self._spread()
        square = self.loc.square()
        return along.unsqueeze(-1) * square + across.unsqueeze(-1) * (1 - square)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        loc = self.loc.expand(shape)
        cosine, sine = self._polar(shape[:-1], generator)
        return cosine.unsqueeze(-1) * loc + sine.unsqueeze(-1) * _tangent(loc, generator)


def _tangent(loc: Tensor, generator: Generator | None) -> Tensor:
    """Draw v, a uniform direction orthogonal to ``loc``; its gradient is that of the shortest rotation of ``loc``."""
    here = loc.detach()
    flat = uniform_direction((*loc.shape[:-1], loc.shape[-1] - 1), here, generator)
    # the reflection of the first axis to ±loc also maps its orthogonal space to that of loc; the sign avoids cancellation
    first, rest = here[..., :1], here[..., 1:]
    sign = torch.where(first < 0, -1.0, 1.0).to(here)
    inner = (rest * flat).sum(-1, keepdim=True)
    direction = torch.cat([-sign * inner, flat - rest * (inner / (1 + first.abs()))], -1)
    # rotate from here to loc, a function of loc whose value is unchanged
    along, cos = (direction * loc).sum(-1, keepdim=True), (here * loc).sum(-1, keepdim=True)
    return direction - (here + loc) * (along / (1 + cos))


def check_same_sphere(p: Directional, q: Directional | HypersphericalUniform) -> None:
    """Raise ValueError unless both distributions have the same dimension."""
    if p.dimension != q.dimension:
        raise ValueError(f"the distributions have different dimensions, {p.dimension} and {q.dimension}")
