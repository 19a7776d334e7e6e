"""The von Mises–Fisher distribution on the unit sphere."""

from functools import partial

import torch
from torch import Size, Tensor
from torch.distributions import constraints
from torch.types import _size

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
        loc: the mean direction, unit vectors of shape (..., d), d ≥ 2.
        concentration: κ ≥ 0 and finite, of shape (...), broadcast with loc's batch shape. At κ = 0 the distribution is uniform;
            as κ → ∞ it approaches a normal distribution of variance 1/κ on the tangent space at loc.
        validate_args: whether arguments and values are checked.

    Raises:
        ValueError: ``loc`` is no vector, or of a dimension below 2.

    A sample is z = cos θ loc + sin θ v with v uniform among the unit vectors that are orthogonal to loc. θ is drawn by
    rejection and carries dθ/dκ of its distribution function, ``special.von_mises_fisher.von_mises_fisher_angle_grad``, so that
    the gradient is unbiased for every d. loc receives the gradient of the shortest rotation that carries it along, under which
    v turns with it: dz = cos θ dloc − sin θ <v, dloc> loc. The angle is carried rather than cos θ, which in float32 is 1 for κ
    above 1e8.

    Gradients with respect to ``loc`` and to values are those on the sphere: what they say about a change of length is
    arbitrary, and goes away with the normalisation of a vector.

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Wood (1994); Davidson et al. (2018) for its use as a posterior, whose
    own gradient differentiates the accepted proposal.
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

    def expand(self, batch_shape: _size, _instance: object = None) -> "VonMisesFisher":
        """The same distribution for another batch shape."""
        new = self._get_checked_instance(VonMisesFisher, _instance)
        batch_shape = Size(batch_shape)
        new.loc = self.loc.expand(batch_shape + self.event_shape)
        new.concentration = self.concentration.expand(batch_shape)
        super(VonMisesFisher, new).__init__(batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def dimension(self) -> int:
        """d, of the space around the sphere."""
        return checked_dimension(self.event_shape[0])

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their gradient; see the class."""
        shape = self._extended_shape(sample_shape)
        loc, concentration = self.loc.expand(shape), self.concentration.expand(shape[:-1])
        angle = polar_angle(concentration, self.dimension, generator)
        sample_grad = partial(von_mises_fisher_angle_grad, dimension=self.dimension)
        angle = implicit_sample(angle, sample_grad, concentration).unsqueeze(-1)
        return angle.cos() * loc + angle.sin() * _tangent(loc, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats; with <loc, z> = 1 − |z − loc|²/2, so that a large κ does not cost digits."""
        if self._validate_args:
            self._validate_sample(value)
        distance = (value - self.loc).square().sum(-1)
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
        """Of each coordinate: that of <loc, z>, A', times loc_i², and that of an orthogonal one times 1 − loc_i²."""
        along = mean_resultant_slope(self.concentration, self.dimension)
        # the traces agree: E|z|² = 1 = A² + A' + (d − 1) across, without a division by κ
        length = mean_resultant_length(self.concentration, self.dimension)
        complement = mean_resultant_complement(self.concentration, self.dimension)
        across = (complement * (1 + length) - along) / (self.dimension - 1)
        square = self.loc.square()
        return along.unsqueeze(-1) * square + across.unsqueeze(-1) * (1 - square)


def _tangent(loc: Tensor, generator: torch.Generator | None) -> Tensor:
    """v: a uniform direction orthogonal to ``loc``, which follows the shortest rotation of ``loc``."""
    here = loc.detach()
    flat = uniform_direction((*loc.shape[:-1], loc.shape[-1] - 1), here, generator)
    # the reflection that takes the first axis to ±loc takes its orthogonal space to that of loc, and cancels nothing
    first, rest = here[..., :1], here[..., 1:]
    sign = torch.where(first < 0, -1.0, 1.0).to(here)
    inner = (rest * flat).sum(-1, keepdim=True)
    direction = torch.cat([-sign * inner, flat - rest * (inner / (1 + first.abs()))], -1)
    # the rotation of here to loc, as a function of loc
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
    # in 1 − A, |loc_p − loc_q|² and κ + ln C, which cancel nothing at large κ
    dimension, distance = p.dimension, (p.loc - q.loc).square().sum(-1)
    length = mean_resultant_length(p.concentration, dimension)
    complement = mean_resultant_complement(p.concentration, dimension)
    peaks = von_mises_fisher_log_peak(p.concentration, dimension) - von_mises_fisher_log_peak(q.concentration, dimension)
    return (q.concentration - p.concentration) * complement + 0.5 * q.concentration * length * distance + peaks


def _check_same_sphere(p: VonMisesFisher, q: VonMisesFisher | HypersphericalUniform) -> None:
    if p.dimension != q.dimension:
        raise ValueError(f"the distributions are on spheres in spaces of different dimensions, {p.dimension} and {q.dimension}")
