"""The Gamma distribution, and the log-Gamma sampler that other distributions use."""

import torch
from torch import Generator, Size, Tensor

from irg_experiments.implicit.distributions.base import Reparameterizable, positive
from irg_experiments.implicit.distributions.dtypes import in_float64, result_dtype
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_gamma, standard_log_gamma
from irg_experiments.implicit.special.gamma import gamma_sample_grad, log_gamma_sample_grad
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc
from irg_experiments.implicit.special.gammaincinv import gammaincinv


def log_gamma_rsample(concentration: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw log z for z ~ Gamma(concentration, 1), with its implicit gradient d(log z)/da; finite for every a > 0."""
    return implicit_sample(standard_log_gamma(concentration, generator), log_gamma_sample_grad, concentration)


class Gamma(Reparameterizable, torch.distributions.Gamma):
    """Gamma(concentration, rate), density rate^a z^(a−1) e^(−rate z) / Γ(a), drop-in for ``torch.distributions.Gamma``.

    Args:
        concentration: shape a > 0.
        rate: inverse scale > 0, broadcast with ``concentration``.

    ``rsample`` computes z = g / rate, g ~ Gamma(a, 1), with dg/da from ``special.gamma_sample_grad``. Draws below the smallest
    normal number of the dtype are returned as that number, to stay in the support. If their logarithm matters (a below about
    0.1), use ``LogGamma``.

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Marsaglia & Tsang (2000).
    """

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        concentration = self.concentration.expand(shape)
        value = standard_gamma(concentration, generator)
        sample = implicit_sample(value, gamma_sample_grad, concentration) / self.rate
        return sample.clamp(min=torch.finfo(sample.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        value = torch.as_tensor(value, dtype=result_dtype(self.rate), device=self.rate.device)  # as in torch
        return _log_density(self.concentration, self.rate, self._validated(value))

    def entropy(self) -> Tensor:
        """a − ln rate + ln Γ(a) + (1 − a) ψ(a), in nats."""
        return _entropy(self.concentration, self.rate)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value) = P(a, rate · value), by ``special.gammainc``; differentiable in the value and both parameters."""
        return gammainc(self.concentration, self._unit_rate(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value), by ``special.gammaincc``."""
        return gammaincc(self.concentration, self._unit_rate(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by ``special.gammaincinv``; differentiable in it and both parameters."""
        return gammaincinv(self.concentration, value) / self.rate

    def _saturated(self, value: Tensor) -> Tensor:
        return positive(value)

    def _unit_rate(self, value: Tensor) -> Tensor:
        return self.rate * self._validated(value)


@in_float64
def _log_density(a: Tensor, rate: Tensor, value: Tensor) -> Tensor:
    return torch.xlogy(a, rate) + torch.xlogy(a - 1, value) - rate * value - a.lgamma()


@in_float64
def _entropy(a: Tensor, rate: Tensor) -> Tensor:
    return a - rate.log() + a.lgamma() + (1 - a) * a.digamma()


@torch.distributions.register_kl(Gamma, Gamma)
def kl_gamma_gamma(p: Gamma, q: Gamma) -> Tensor:
    """KL(p ‖ q) = (a_p − a_q) ψ(a_p) − ln Γ(a_p) + ln Γ(a_q) − a_q ln(r_q/r_p) + a_p (r_q/r_p − 1), in nats."""
    return _divergence(p.concentration, p.rate, q.concentration, q.rate)


@in_float64
def _divergence(a: Tensor, rate: Tensor, b: Tensor, other_rate: Tensor) -> Tensor:
    ratio = other_rate / rate
    return (a - b) * a.digamma() - a.lgamma() + b.lgamma() - b * ratio.log() + a * (ratio - 1)
