"""The von Mises–Fisher distribution on the unit sphere."""

from functools import partial

import torch
from torch import Generator, Size, Tensor

from irg_experiments.implicit.distributions.directional import Directional, check_same_sphere
from irg_experiments.implicit.distributions.hyperspherical_uniform import HypersphericalUniform
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import polar_angle
from irg_experiments.implicit.special.von_mises_fisher import (
    log_sphere_area,
    mean_resultant_complement,
    mean_resultant_length,
    mean_resultant_slope,
    von_mises_fisher_angle_grad,
    von_mises_fisher_log_peak,
    von_mises_fisher_negentropy,
)


class VonMisesFisher(Directional):
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
    d. θ is used instead of cos θ, which rounds to 1 in float32 for κ above 1e8. For gradients with respect to ``loc`` see
    ``Directional``.

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Wood (1994). Davidson et al. (2018) use the distribution as a posterior,
    with the gradient of the accepted proposal.
    """

    def _polar(self, shape: Size, generator: Generator | None) -> tuple[Tensor, Tensor]:
        concentration = self.concentration.expand(shape)
        angle = polar_angle(concentration, self.dimension, generator)
        sample_grad = partial(von_mises_fisher_angle_grad, dimension=self.dimension)
        angle = implicit_sample(angle, sample_grad, concentration)
        return angle.cos(), angle.sin()

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

    def _spread(self) -> tuple[Tensor, Tensor]:
        along = mean_resultant_slope(self.concentration, self.dimension)
        # from E|z|² = 1 = A² + A' + (d − 1) B, without a division by κ
        length = mean_resultant_length(self.concentration, self.dimension)
        complement = mean_resultant_complement(self.concentration, self.dimension)
        return along, (complement * (1 + length) - along) / (self.dimension - 1)


@torch.distributions.register_kl(VonMisesFisher, HypersphericalUniform)
def kl_von_mises_fisher_hyperspherical_uniform(p: VonMisesFisher, q: HypersphericalUniform) -> Tensor:
    """KL(p ‖ q) = κ A_d(κ) + ln C_d(κ) + ln(area of the sphere), in nats."""
    check_same_sphere(p, q)
    divergence = von_mises_fisher_negentropy(p.concentration, p.dimension)
    return divergence.expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))


@torch.distributions.register_kl(VonMisesFisher, VonMisesFisher)
def kl_von_mises_fisher_von_mises_fisher(p: VonMisesFisher, q: VonMisesFisher) -> Tensor:
    """KL(p ‖ q) = A_d(κ_p) (κ_p − κ_q <loc_p, loc_q>) + ln C_d(κ_p) − ln C_d(κ_q), in nats."""
    check_same_sphere(p, q)
    # 1 − A, |loc_p − loc_q|² and κ + ln C avoid cancellation at large κ
    dimension, distance = p.dimension, (p.loc - q.loc).square().sum(-1)
    length = mean_resultant_length(p.concentration, dimension)
    complement = mean_resultant_complement(p.concentration, dimension)
    peaks = von_mises_fisher_log_peak(p.concentration, dimension) - von_mises_fisher_log_peak(q.concentration, dimension)
    return (q.concentration - p.concentration) * complement + 0.5 * q.concentration * length * distance + peaks
