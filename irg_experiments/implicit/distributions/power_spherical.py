"""The power spherical distribution on the unit sphere."""

import math

import torch
from torch import Generator, Size, Tensor
from torch.nn.functional import logsigmoid

from irg_experiments.implicit.distributions.directional import Directional, check_same_sphere
from irg_experiments.implicit.distributions.dtypes import in_float64
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.distributions.hyperspherical_uniform import HypersphericalUniform
from irg_experiments.implicit.special.gamma_ratio import digamma_difference, log_gamma_ratio
from irg_experiments.implicit.special.von_mises_fisher import log_sphere_area


class PowerSpherical(Directional):
    """PowerSpherical(loc, concentration), density C (1 + <loc, z>)^κ on the unit sphere in R^d.

    1/C = 2^(α+β) π^β Γ(α)/Γ(α + β), α = β + κ and β = (d − 1)/2, with respect to the area of the sphere.

    Args:
        loc: mean direction, unit vectors of shape (..., d), d ≥ 2.
        concentration: κ ≥ 0 and finite, of shape (...), broadcast with the batch shape of ``loc``. The distribution is uniform
            at κ = 0; as κ → ∞ it approaches a normal distribution of variance 2/κ on the tangent space at loc.
        validate_args: whether to check arguments and values.

    Raises:
        ValueError: ``loc`` is not a vector of at least 2 coordinates.

    A sample is z = cos θ loc + sin θ v, with v uniform among the unit vectors orthogonal to loc and cos²(θ/2) ~ Beta(α, β), a
    ratio of two Gamma variables in log space, of which one carries its implicit gradient in κ. No draw is rejected, and
    sin θ = 2 cos(θ/2) sin(θ/2) keeps its relative accuracy for large κ. For gradients with respect to ``loc`` see
    ``Directional``.

    Source: De Cao & Aziz (2020), The power spherical distribution; Figurnov, Mohamed & Mnih (2018) for the gradient.
    """

    def _polar(self, shape: Size, generator: Generator | None) -> tuple[Tensor, Tensor]:
        alpha, beta = (b.expand(shape) for b in self._betas())
        odds = log_gamma_rsample(alpha, generator) - log_gamma_rsample(beta, generator)
        cosine, sine = ((0.5 * logsigmoid(x)).exp() for x in (odds, -odds))  # of θ/2
        return (cosine - sine) * (cosine + sine), 2 * sine * cosine

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats; uses 1 + <loc, z> = 2 (1 − |z − loc|²/4), which stays accurate for large κ."""
        alpha, beta = self._betas()
        quarter = 0.25 * (self._validated(value) - self.loc).square().sum(-1)
        # rounding may leave a point opposite to loc beyond it
        return torch.special.xlog1py(self.concentration, -quarter.clamp(max=1)) - _log_normaliser(alpha, beta)

    def entropy(self) -> Tensor:
        """−ln C − κ (ln 2 + ψ(α) − ψ(α + β)), in nats."""
        return _entropy(self.concentration, *self._betas())

    @property
    def mean(self) -> Tensor:
        """κ/(κ + d − 1) loc, in the ball."""
        alpha, beta = self._betas()
        return (self.concentration / (alpha + beta)).unsqueeze(-1) * self.loc

    def _spread(self) -> tuple[Tensor, Tensor]:
        alpha, beta = self._betas()
        total = alpha + beta
        along = 4 * (alpha / total) * (beta / total) / (total + 1)
        # E[sin² θ]/(d − 1) = 4 E[y (1 − y)]/(2β), y ~ Beta(α, β)
        return along, 2 * alpha / (total * (total + 1))

    def _betas(self) -> tuple[Tensor, Tensor]:
        """Return α and β, both of the batch shape."""
        beta = torch.full_like(self.concentration, 0.5 * (self.dimension - 1))
        return beta + self.concentration, beta


@in_float64
def _log_normaliser(alpha: Tensor, beta: Tensor) -> Tensor:
    """−ln(2^κ C), the logarithm of the integral of ((1 + <loc, z>)/2)^κ over the sphere."""
    return beta * math.log(4 * math.pi) - log_gamma_ratio(alpha, beta)


@in_float64
def _entropy(concentration: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return beta * math.log(4 * math.pi) - log_gamma_ratio(alpha, beta) + concentration * digamma_difference(alpha, beta)


@torch.distributions.register_kl(PowerSpherical, HypersphericalUniform)
def kl_power_spherical_hyperspherical_uniform(p: PowerSpherical, q: HypersphericalUniform) -> Tensor:
    """KL(p ‖ q) = ln(area of the sphere) − H(p), in nats."""
    check_same_sphere(p, q)
    divergence = log_sphere_area(q.dimension) - p.entropy()
    return divergence.expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))
