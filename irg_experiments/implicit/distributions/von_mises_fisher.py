"""The von Mises–Fisher distribution on the unit sphere."""

from functools import partial

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.hyperspherical_uniform import (
    HypersphericalUniform,
    uniform_direction,
    unit_vector,
)
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import polar_angle
from irg_experiments.implicit.special.von_mises_fisher import (
    checked_dimension,
    log_sphere_area,
    mean_resultant_complement,
    mean_resultant_length,
    mean_resultant_slope,
    von_mises_fisher_angle_grad,
    von_mises_fisher_log_peak,
    von_mises_fisher_negentropy,
)


class VonMisesFisher(Reparameterizable):
    """VonMisesFisher(loc, concentration), density C_d(κ) e^{κ <loc, z>} on the unit sphere in R^d.

    C_d(κ) = κ^ν / ((2π)^{d/2} I_ν(κ)) with ν = d/2 − 1, with respect to the area of the sphere.

    Args:
        loc: mean direction, unit vectors of shape (..., d), d ≥ 2.
        concentration: κ ≥ 0 and finite, of shape (...), broadcast with the batch shape of ``loc``. The distribution is uniform
            at κ = 0; as κ → ∞ it approaches a normal distribution of variance 1/κ on the tangent space at loc.
        validate_args: whether to check arguments and values.

    Raises:
        ValueError: ``loc`` is not a vector of at least 2 coordinates.

    A sample is z = cos θ loc + sin θ v, with v uniform among the unit vectors orthogonal to loc. θ is drawn by rejection and
    carries its implicit derivative dθ/dκ, ``special.von_mises_fisher.von_mises_fisher_angle_grad``, which is unbiased for every
    d. A change of loc rotates z by the shortest rotation of loc: dz = cos θ dloc − sin θ <v, dloc> loc. θ is used instead of
    cos θ, which rounds to 1 in float32 for κ above 1e8.

    Gradients with respect to ``loc`` and values are defined on the sphere. Their radial part is arbitrary, and vanishes in the
    derivative of a normalised vector.

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Wood (1994). Davidson et al. (2018) use the distribution as a posterior,
    with the gradient of the accepted proposal.
    """

    arg_constraints = {"loc": unit_vector, "concentration": constraints.nonnegative}
    support = unit_vector

    def __init__(self, loc: Tensor, concentration: Tensor | float, validate_args: bool | None = None):
        if loc.dim() == 0 or loc.shape[-1] < 2:
            raise ValueError(f"loc must be a vector of at least 2 coordinates, but has shape {tuple(loc.shape)}")
        if not isinstance(concentration, Tensor):
            concentration = torch.as_tensor(concentration, dtype=loc.dtype, device=loc.device)
        batch_shape = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        self.loc = loc.expand(batch_shape + loc.shape[-1:])
        self.concentration = concentration.expand(batch_shape)
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)

    @property
    def dimension(self) -> int:
        """d, the number of coordinates of a sample."""
        return checked_dimension(self.event_shape[0])

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        loc, concentration = self.loc.expand(shape), self.concentration.expand(shape[:-1])
        angle = polar_angle(concentration, self.dimension, generator)
        sample_grad = partial(von_mises_fisher_angle_grad, dimension=self.dimension)
        angle = implicit_sample(angle, sample_grad, concentration).unsqueeze(-1)
        return angle.cos() * loc + angle.sin() * tangent(loc, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats; uses <loc, z> = 1 − |z − loc|²/2, which stays accurate for large κ."""
        distance = (self._validated(value) - self.loc).square().sum(-1)
        return von_mises_fisher_log_peak(self.concentration, self.dimension) - 0.5 * self.concentration * distance

    def entropy(self) -> Tensor:
        """−κ A_d(κ) − ln C_d(κ), in nats."""
        return log_sphere_area(self.dimension) - von_mises_fisher_negentropy(self.concentration, self.dimension)

    @property
    def mean(self) -> Tensor:
        """A_d(κ) loc, in the ball, A_d = I_{d/2}/I_{d/2−1}."""
        return mean_resultant_length(self.concentration, self.dimension).unsqueeze(-1) * self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Variance per coordinate: A' loc_i² + B (1 − loc_i²), A' along loc and B along each orthogonal direction."""
        along = mean_resultant_slope(self.concentration, self.dimension)
        # from E|z|² = 1 = A² + A' + (d − 1) B, without a division by κ
        length = mean_resultant_length(self.concentration, self.dimension)
        complement = mean_resultant_complement(self.concentration, self.dimension)
        across = (complement * (1 + length) - along) / (self.dimension - 1)
        square = self.loc.square()
        return along.unsqueeze(-1) * square + across.unsqueeze(-1) * (1 - square)


def tangent(loc: Tensor, generator: Generator | None) -> Tensor:
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


@torch.distributions.register_kl(VonMisesFisher, HypersphericalUniform)
def kl_von_mises_fisher_hyperspherical_uniform(p: VonMisesFisher, q: HypersphericalUniform) -> Tensor:
    """KL(p ‖ q) = κ A_d(κ) + ln C_d(κ) + ln(area of the sphere), in nats."""
    _check_same_sphere(p, q)
    divergence = von_mises_fisher_negentropy(p.concentration, p.dimension)
    return divergence.expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))


@torch.distributions.register_kl(VonMisesFisher, VonMisesFisher)
def kl_von_mises_fisher_von_mises_fisher(p: VonMisesFisher, q: VonMisesFisher) -> Tensor:
    """KL(p ‖ q) = A_d(κ_p) (κ_p − κ_q <loc_p, loc_q>) + ln C_d(κ_p) − ln C_d(κ_q), in nats."""
    _check_same_sphere(p, q)
    # 1 − A, |loc_p − loc_q|² and κ + ln C avoid cancellation at large κ
    dimension, distance = p.dimension, (p.loc - q.loc).square().sum(-1)
    length = mean_resultant_length(p.concentration, dimension)
    complement = mean_resultant_complement(p.concentration, dimension)
    peaks = von_mises_fisher_log_peak(p.concentration, dimension) - von_mises_fisher_log_peak(q.concentration, dimension)
    return (q.concentration - p.concentration) * complement + 0.5 * q.concentration * length * distance + peaks


def _check_same_sphere(p: VonMisesFisher, q: VonMisesFisher | HypersphericalUniform) -> None:
    if p.dimension != q.dimension:
        raise ValueError(f"the distributions have different dimensions, {p.dimension} and {q.dimension}")
