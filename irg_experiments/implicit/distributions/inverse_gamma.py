"""The inverse Gamma distribution."""

import torch
from torch import Generator, Size, Tensor

from irg_experiments.implicit.distributions.base import ReparameterizableByLogarithm, exp_clamped
from irg_experiments.implicit.distributions.dtypes import in_float64
from irg_experiments.implicit.distributions.gamma import Gamma, kl_gamma_gamma, log_gamma_rsample
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc
from irg_experiments.implicit.special.gammaincinv import log_gammainccinv


class InverseGamma(ReparameterizableByLogarithm, torch.distributions.InverseGamma):
    """InverseGamma(concentration, rate), the distribution of 1/g for g ~ Gamma(concentration, rate).

    Drop-in for ``torch.distributions.InverseGamma``; density rate^a z^(−a−1) e^(−rate/z) / Γ(a) for z > 0.

    Args:
        concentration: shape a > 0.
        rate: rate of g, the scale of z, > 0; broadcast with ``concentration``.

    ``rsample`` computes z = rate · exp(−ln g), g ~ Gamma(a, 1), with the implicit gradient of ln g. Draws beyond the range of
    the dtype, common for a below about 0.1, are returned as its largest or smallest normal number; the gradient of other large
    draws may overflow.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        return exp_clamped(self.rate.log() - log_gamma_rsample(self.concentration.expand(shape), generator))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.concentration, self.rate, self._validated(value))

    def entropy(self) -> Tensor:
        """a + ln rate + ln Γ(a) − (1 + a) ψ(a), in nats."""
        return _entropy(self.concentration, self.rate)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.gammaincc``; differentiable in the value and both parameters."""
        return gammaincc(self.concentration, self._inverse(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value), by ``special.gammainc``."""
        return gammainc(self.concentration, self._inverse(value))

    def _log_icdf(self, value: Tensor) -> Tensor:
        return self.rate.log() - log_gammainccinv(self.concentration, value)

    def _inverse(self, value: Tensor) -> Tensor:
        return self.rate / self._validated(value)


@in_float64
def _log_density(a: Tensor, rate: Tensor, value: Tensor) -> Tensor:
    return a * (rate.log() - value.log()) - value.log() - rate / value - a.lgamma()


@in_float64
def _entropy(a: Tensor, rate: Tensor) -> Tensor:
    return a + rate.log() + a.lgamma() - (1 + a) * a.digamma()


@torch.distributions.register_kl(InverseGamma, InverseGamma)
def kl_inverse_gamma_inverse_gamma(p: InverseGamma, q: InverseGamma) -> Tensor:
    """KL(p ‖ q), equal to that of the Gamma distributions: it is invariant under a change of variable."""
    return kl_gamma_gamma(Gamma(p.concentration, p.rate, False), Gamma(q.concentration, q.rate, False))
