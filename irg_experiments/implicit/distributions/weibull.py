"""The Weibull distribution."""

import math

import torch
from torch import Generator, Size, Tensor

from irg_experiments.implicit.distributions.base import Reparameterizable, exp_clamped, positive
from irg_experiments.implicit.distributions.dtypes import in_float64
from irg_experiments.implicit.sampling import standard_uniform

_EULER = 0.5772156649015328606


class Weibull(Reparameterizable, torch.distributions.Weibull):
    """Weibull(scale, concentration), density (k/λ) (z/λ)^(k−1) e^(−(z/λ)^k), drop-in for ``torch.distributions.Weibull``.

    Args:
        scale: λ > 0.
        concentration: k > 0, broadcast with ``scale``.

    ``rsample`` computes z = λ exp((ln E)/k), E ~ Exponential(1); the implicit and the explicit gradient agree. Draws beyond the
    range of the dtype, common for k below about 0.02, are returned as its largest or smallest normal number. Unlike torch's,
    ``cdf`` has full relative accuracy in the lower tail and ``survival_function`` in the upper tail; the mode is 0 for k < 1,
    where torch's is NaN.

    Source: Weibull (1951), A statistical distribution function of wide applicability.
    """

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        return exp_clamped(self.scale.log() + standard_log_exponential(shape, self.scale, generator) / self.concentration)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.scale, self.concentration, self._validated(value))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value) = 1 − e^(−(value/λ)^k)."""
        return -torch.expm1(-self._exponential(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value) = e^(−(value/λ)^k)."""
        return (-self._exponential(value)).exp()

    def log_cdf(self, value: Tensor) -> Tensor:
        """ln P(Z ≤ value)."""
        return (-torch.expm1(-self._exponential(value))).log()

    def log_survival_function(self, value: Tensor) -> Tensor:
        """ln P(Z > value) = −(value/λ)^k."""
        return -self._exponential(value)

    def icdf(self, value: Tensor) -> Tensor:
        """λ (−ln(1 − value))^(1/k), the quantile at probability ``value``; NaN outside [0, 1]."""
        exponential = torch.where(value >= 0, -torch.log1p(-value), math.nan)
        return self.scale * exponential.pow(1 / self.concentration)

    def _saturated(self, value: Tensor) -> Tensor:
        return positive(value)

    @property
    def mode(self) -> Tensor:
        """λ ((k − 1)/k)^(1/k) for k ≥ 1, else 0."""
        return self.scale * (1 - 1 / self.concentration).clamp(min=0).pow(1 / self.concentration)

    @property
    def variance(self) -> Tensor:
        """λ² (Γ(1 + 2/k) − Γ(1 + 1/k)²), computed in float64."""
        return self.scale.square() * _spread(self.concentration)

    def _exponential(self, value: Tensor) -> Tensor:
        return (self._validated(value) / self.scale).pow(self.concentration)


def standard_log_exponential(shape: Size, like: Tensor, generator: Generator | None) -> Tensor:
    """Draw ln E, E ~ Exponential(1), of the given shape, finite in every dtype."""
    uniform = standard_uniform(shape, like, generator)
    return (-torch.log1p(-uniform).clamp(max=-torch.finfo(uniform.dtype).eps / 4)).log()


@in_float64
def _log_density(scale: Tensor, k: Tensor, value: Tensor) -> Tensor:
    log_ratio = value.log() - scale.log()
    return k.log() - scale.log() + (k - 1) * log_ratio - (k * log_ratio).exp()


@in_float64
def _spread(k: Tensor) -> Tensor:
    first, second = (1 + 1 / k).lgamma(), (1 + 2 / k).lgamma()
    return (2 * first).exp() * torch.expm1(second - 2 * first)


@torch.distributions.register_kl(Weibull, Weibull)
def kl_weibull_weibull(p: Weibull, q: Weibull) -> Tensor:
    """KL(p ‖ q) = ln(k_p/k_q) + k_q ln(λ_q/λ_p) + γ (k_q/k_p − 1) + (λ_p/λ_q)^k_q Γ(1 + k_q/k_p) − 1, in nats.

    Source: Bauckhage (2013), Computing the Kullback–Leibler divergence between two Weibull distributions.
    """
    return _divergence(p.scale, p.concentration, q.scale, q.concentration)


@in_float64
def _divergence(scale: Tensor, k: Tensor, scale_q: Tensor, k_q: Tensor) -> Tensor:
    ratio, log_ratio = k_q / k, scale.log() - scale_q.log()
    mean = (k_q * log_ratio + (1 + ratio).lgamma()).exp()
    return -ratio.log() - k_q * log_ratio + _EULER * (ratio - 1) + mean - 1
