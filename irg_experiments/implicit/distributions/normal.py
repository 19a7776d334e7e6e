"""The normal distribution."""

import torch
from torch import Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_normal
from irg_experiments.implicit.special.normal import log_ndtr, ndtr


class Normal(Reparameterizable, torch.distributions.Normal):
    """Normal(loc, scale), density exp(−((z − loc)/scale)²/2) / (scale √(2π)), drop-in for ``torch.distributions.Normal``.

    Args:
        loc: mean, any real number.
        scale: standard deviation > 0, broadcast with ``loc``.

    z = loc + scale · ε with ε ~ Normal(0, 1): here the implicit and the explicit gradient are the same. Unlike torch's, the
    distribution function keeps its relative accuracy in the lower tail, and ``survival_function`` in the upper one.

    Source: Kingma & Welling (2013).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their gradient; see the class."""
        return self.loc + self.scale * standard_normal(self._extended_shape(sample_shape), self.loc, generator)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value)."""
        return ndtr(self._standardized(value))

    def log_cdf(self, value: Tensor) -> Tensor:
        """ln P(Z ≤ value), finite far beyond where the probability underflows."""
        return log_ndtr(self._standardized(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        return ndtr(-self._standardized(value))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """ln P(Z > value), finite far beyond where the probability underflows."""
        return log_ndtr(-self._standardized(value))

    def _standardized(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale


@torch.distributions.register_kl(Normal, Normal)
def kl_normal_normal(p: Normal, q: Normal) -> Tensor:
    """KL(p ‖ q) = ((σ_p/σ_q)² − 1)/2 − ln(σ_p/σ_q) + ((μ_p − μ_q)/σ_q)²/2, in nats."""
    ratio = p.scale / q.scale
    return 0.5 * ((ratio - 1) * (ratio + 1) + ((p.loc - q.loc) / q.scale).square()) - ratio.log()
