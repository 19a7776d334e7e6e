"""The inverse Gaussian distribution."""

import math

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import Reparameterizable, positive
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.distributions.quantile import numerical_icdf
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_normal, standard_uniform
from irg_experiments.implicit.special.inverse_gaussian import (
    exp1e,
    inverse_gaussian_cdf,
    inverse_gaussian_sample_grad,
    inverse_gaussian_sf,
)


class InverseGaussian(Reparameterizable):
    """InverseGaussian(loc, concentration), density √(λ/(2π z³)) e^(−λ (z − μ)²/(2μ² z)) for z > 0.

    The time at which a Brownian motion with drift 1/μ and variance 1/λ per unit of time first reaches 1; also called Wald's.

    Args:
        loc: mean μ > 0.
        concentration: λ > 0, broadcast with ``loc``; the variance is μ³/λ.
        validate_args: whether to check arguments and values.

    ``rsample`` computes z = μ y, y ~ InverseGaussian(1, λ/μ), with the implicit derivative of y by λ/μ,
    ``special.inverse_gaussian_sample_grad``. ``cdf`` and ``survival_function`` keep their relative accuracy in both tails.
    Draws beyond the range of the dtype, which occur for λ/μ near its limits, are returned as its largest or smallest normal
    number.

    Source: Figurnov, Mohamed & Mnih (2018) for the gradient; Michael, Schucany & Haas (1976) for the sampler; Shuster (1968)
    for the distribution function.
    """

    arg_constraints = {"loc": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, loc: Tensor | float, concentration: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_parameters(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        ratio, limits = (self.concentration / self.loc).expand(shape), torch.finfo(self.loc.dtype)
        ratio = ratio.clamp(limits.tiny, limits.max)
        unit = _draw_unit(ratio.detach(), standard_normal(shape, ratio, generator), standard_uniform(shape, ratio, generator))
        unit = unit.clamp(limits.tiny, limits.max)
        return (self.loc * implicit_sample(unit, inverse_gaussian_sample_grad, ratio)).clamp(limits.tiny, limits.max)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.loc, self.concentration, self._validated(value))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.inverse_gaussian_cdf``; differentiable in the value and both parameters."""
        return inverse_gaussian_cdf(self.concentration / self.loc, self._validated(value) / self.loc)

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value), by ``special.inverse_gaussian_sf``."""
        return inverse_gaussian_sf(self.concentration / self.loc, self._validated(value) / self.loc)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by bisection and Newton's method; differentiable in it and every parameter."""
        return numerical_icdf(self, value)

    def _saturated(self, value: Tensor) -> Tensor:
        return positive(value)

    @property
    def mean(self) -> Tensor:
        """μ."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """μ³/λ."""
        return self.loc.square() * (self.loc / self.concentration)

    @property
    def mode(self) -> Tensor:
        """μ (√(1 + k²) − k), k = 3μ/(2λ)."""
        k = 1.5 * self.loc / self.concentration
        return self.loc / (torch.hypot(k, torch.ones_like(k)) + k)

    def entropy(self) -> Tensor:
        """ln(2π e μ³/λ)/2 − (3/2) e^x E₁(x), x = 2λ/μ, in nats."""
        return _entropy(self.loc, self.concentration)


@in_float64
def _draw_unit(ratio: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
    """Solve c (y − 1)²/y = ε² for its two roots, y and 1/y, and take the smaller with probability 1/(1 + y)."""
    square = normal.square()
    larger = 1 + (square + normal.abs() * (square + 4 * ratio).sqrt()) / (2 * ratio)
    # the smaller root is 1/larger, and the chance of taking it larger/(1 + larger)
    return torch.where(uniform * (1 + larger) <= larger, 1 / larger, larger)


@in_float64
def _log_density(loc: Tensor, concentration: Tensor, value: Tensor) -> Tensor:
    distance = (value - loc) / loc
    return 0.5 * (concentration / (2 * math.pi)).log() - 1.5 * value.log() - 0.5 * concentration / value * distance.square()


@in_float64
def _entropy(loc: Tensor, concentration: Tensor) -> Tensor:
    return 0.5 * (2 * math.pi * math.e * loc**3 / concentration).log() - 1.5 * exp1e(2 * concentration / loc)


@torch.distributions.register_kl(InverseGaussian, InverseGaussian)
def kl_inverse_gaussian_inverse_gaussian(p: InverseGaussian, q: InverseGaussian) -> Tensor:
    """KL(p ‖ q) = (r − 1 − ln r)/2 + λ_q (μ_p − μ_q)²/(2 μ_p μ_q²), r = λ_q/λ_p, in nats."""
    return _divergence(p.loc, p.concentration, q.loc, q.concentration)


@in_float64
def _divergence(loc: Tensor, concentration: Tensor, other_loc: Tensor, other_concentration: Tensor) -> Tensor:
    excess = (other_concentration - concentration) / concentration
    distance = (loc - other_loc) / other_loc
    return 0.5 * (excess - excess.log1p()) + 0.5 * other_concentration / loc * distance.square()
