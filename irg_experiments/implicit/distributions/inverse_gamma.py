"""The inverse Gamma distribution."""

import torch
from torch import Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.gamma import Gamma, kl_gamma_gamma, log_gamma_rsample
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc


class InverseGamma(Reparameterizable, torch.distributions.InverseGamma):
    """InverseGamma(concentration, rate), the law of 1/g for g ~ Gamma(concentration, rate).

    Drop-in for ``torch.distributions.InverseGamma``; density rate^a z^(−a−1) e^(−rate/z) / Γ(a) for z > 0.

    Args:
        concentration: shape a > 0.
        rate: rate of g, the scale of z, > 0; broadcast with ``concentration``.

    z = rate · exp(−ln g) with the implicit gradient of ln g, g ~ Gamma(a, 1). Draws beyond the range of the dtype, common for
    a below about 0.1, are returned as its largest and smallest normal number, and their
    gradient may overflow.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        log_value = self.rate.log() - log_gamma_rsample(concentration, generator)
        limits = torch.finfo(log_value.dtype)
        # clamped before the exponential, so that no infinity meets the gradient
        return log_value.clamp(max=torch.tensor(limits.max).log().item()).exp().clamp(limits.tiny, limits.max)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return a * (self.rate.log() - value.log()) - value.log() - self.rate / value - a.lgamma()

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.gammaincc``; differentiable in value, concentration and rate."""
        return gammaincc(self.concentration, self._inverse(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value), by ``special.gammainc``."""
        return gammainc(self.concentration, self._inverse(value))

    def _inverse(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return self.rate / value


@torch.distributions.register_kl(InverseGamma, InverseGamma)
def kl_inverse_gamma_inverse_gamma(p: InverseGamma, q: InverseGamma) -> Tensor:
    """KL(p ‖ q), that of the Gamma distributions: a change of variable leaves it alone."""
    return kl_gamma_gamma(Gamma(p.concentration, p.rate, False), Gamma(q.concentration, q.rate, False))
