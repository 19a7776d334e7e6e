"""The distribution of the logarithm of a Gamma variable."""

import torch
from torch import Size, Tensor
from torch.distributions import constraints
from torch.distributions.utils import broadcast_all
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.gamma import Gamma, kl_gamma_gamma, log_gamma_rsample
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc


class LogGamma(Reparameterizable):
    """The law of y = ln z for z ~ Gamma(concentration, rate); density rate^a exp(a y − rate e^y) / Γ(a) on the real line.

    Args:
        concentration: shape a > 0.
        rate: inverse scale > 0 of z, broadcast with ``concentration``.

    Drawn in log space, so that y is right where z itself would underflow: at a = 1e-3 typical values are near −1000. The
    gradient is the implicit one, dy/da = (dz/da)/z, and −1/rate for the rate.

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Marsaglia & Tsang (2000).
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.real

    def __init__(self, concentration: Tensor | float, rate: Tensor | float = 1.0, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: "LogGamma | None" = None) -> "LogGamma":
        """The same distribution with its parameters expanded to ``batch_shape``."""
        new = self._get_checked_instance(LogGamma, _instance)
        new.concentration, new.rate = self.concentration.expand(batch_shape), self.rate.expand(batch_shape)
        super(LogGamma, new).__init__(Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

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
        a = self.concentration
        return a + a.lgamma() - a * a.digamma()

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        return log_gamma_rsample(concentration, generator) - self.rate.log()

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        if self._validate_args:
            self._validate_sample(value)
        shifted = value + self.rate.log()
        return self.concentration * shifted - shifted.exp() - self.concentration.lgamma()

    def cdf(self, value: Tensor) -> Tensor:
        """P(Y ≤ value) = P(a, rate · e^value) of ``special.gammainc``."""
        return gammainc(self.concentration, self._unit_rate(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Y > value)."""
        return gammaincc(self.concentration, self._unit_rate(value))

    def _unit_rate(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return self.rate * value.exp()


@torch.distributions.register_kl(LogGamma, LogGamma)
def kl_log_gamma_log_gamma(p: LogGamma, q: LogGamma) -> Tensor:
    """KL(p ‖ q), that of the Gamma distributions: a change of variable leaves it alone."""
    return kl_gamma_gamma(Gamma(p.concentration, p.rate, False), Gamma(q.concentration, q.rate, False))
