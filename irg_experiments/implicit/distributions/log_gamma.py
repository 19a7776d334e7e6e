"""The distribution of the logarithm of a Gamma variable."""

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.distributions.gamma import Gamma, kl_gamma_gamma, log_gamma_rsample
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc
from irg_experiments.implicit.special.gammaincinv import log_gammaincinv


class LogGamma(Reparameterizable):
    """The distribution of y = ln z, z ~ Gamma(concentration, rate); density rate^a exp(a y − rate e^y) / Γ(a) for real y.

    Args:
        concentration: shape a > 0.
        rate: inverse scale > 0 of z, broadcast with ``concentration``.

    ``rsample`` draws in log space, so y is accurate even if z underflows: at a = 1e-3 typical values of y are near −1000. The
    gradient in a is the implicit one, dy/da = (dz/da)/z, and that in the rate is −1/rate.

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Marsaglia & Tsang (2000).
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.real

    def __init__(self, concentration: Tensor | float, rate: Tensor | float = 1.0, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_parameters(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """ψ(a) − ln rate."""
        return self.concentration.digamma() - self.rate.log()

    @property
    def mode(self) -> Tensor:
        """ln(a / rate)."""
        return (self.concentration / self.rate).log()

    @property
    def variance(self) -> Tensor:
        """ψ′(a)."""
        return torch.special.polygamma(1, self.concentration)

    def entropy(self) -> Tensor:
        """a + ln Γ(a) − a ψ(a), in nats."""
        return _entropy(self.concentration)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        return log_gamma_rsample(self.concentration.expand(shape), generator) - self.rate.log()

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.concentration, self.rate, self._validated(value))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Y ≤ value) = P(a, rate · e^value), by ``special.gammainc``."""
        return gammainc(self.concentration, self._unit_rate(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Y > value)."""
        return gammaincc(self.concentration, self._unit_rate(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by ``special.log_gammaincinv``; differentiable in it and both parameters."""
        return log_gammaincinv(self.concentration, value) - self.rate.log()

    def _unit_rate(self, value: Tensor) -> Tensor:
        return self.rate * self._validated(value).exp()


@in_float64
def _log_density(a: Tensor, rate: Tensor, value: Tensor) -> Tensor:
    shifted = value + rate.log()
    return a * shifted - shifted.exp() - a.lgamma()


@in_float64
def _entropy(a: Tensor) -> Tensor:
    return a + a.lgamma() - a * a.digamma()


@torch.distributions.register_kl(LogGamma, LogGamma)
def kl_log_gamma_log_gamma(p: LogGamma, q: LogGamma) -> Tensor:
    """KL(p ‖ q), equal to that of the Gamma distributions: it is invariant under a change of variable."""
    return kl_gamma_gamma(Gamma(p.concentration, p.rate, False), Gamma(q.concentration, q.rate, False))
