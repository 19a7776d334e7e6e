"""The beta prime distribution, from two Gamma variables in log space."""

import math

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import ReparameterizableByLogarithm, exp_clamped
from irg_experiments.implicit.distributions.beta import Beta, kl_beta_beta
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.special.beta import betainc
from irg_experiments.implicit.special.betaincinv import logit_betaincinv


class BetaPrime(ReparameterizableByLogarithm):
    """BetaPrime(a, b), density z^(a−1) (1 + z)^(−a−b) / B(a, b) for z > 0, the distribution of y/(1 − y) for y ~ Beta(a, b).

    Args:
        concentration1: a > 0.
        concentration0: b > 0, broadcast with ``concentration1``.
        validate_args: whether to check arguments and values.

    ``rsample`` computes z = g_a/g_b, g_a ~ Gamma(a, 1) and g_b ~ Gamma(b, 1), in log space; each ln g carries its implicit
    gradient. Draws beyond the range of the dtype, common for a or b below about 0.1, are returned as its smallest or largest
    normal number.

    Source: Figurnov, Mohamed & Mnih (2018); Johnson, Kotz & Balakrishnan (1995), chapter 25.7, for the distribution.
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.positive

    def __init__(
        self, concentration1: Tensor | float, concentration0: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = broadcast_parameters(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        first, second = (log_gamma_rsample(c.expand(shape), generator) for c in (self.concentration1, self.concentration0))
        return exp_clamped(first - second)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.concentration1, self.concentration0, self._validated(value))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.betainc``; differentiable in the value and both concentrations."""
        return self._tail(value, upper=False)

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        return self._tail(value, upper=True)

    def _log_icdf(self, value: Tensor) -> Tensor:
        return logit_betaincinv(self.concentration1, self.concentration0, value)

    def _tail(self, value: Tensor, upper: bool) -> Tensor:
        """I_x(a, b), x = z/(1 + z), from the smaller of x and 1 − x, which loses no digits."""
        low = self._validated(value) <= 1
        x = torch.where(low, value / (1 + value), 1 / (1 + value))
        a = torch.where(low, self.concentration1, self.concentration0)
        b = torch.where(low, self.concentration0, self.concentration1)
        tail = betainc(a, b, x)
        return torch.where(low, 1 - tail, tail) if upper else torch.where(low, tail, 1 - tail)

    @property
    def mean(self) -> Tensor:
        """a/(b − 1) for b > 1, else infinite."""
        return torch.where(self.concentration0 > 1, self.concentration1 / self._above(1), math.inf)

    @property
    def variance(self) -> Tensor:
        """a (a + b − 1)/((b − 2) (b − 1)²) for b > 2, infinite for 1 < b ≤ 2, NaN for b ≤ 1."""
        a, b = self.concentration1, self.concentration0
        finite = a / self._above(1) * ((a + b - 1) / self._above(1)) / self._above(2)
        return torch.where(b > 2, finite, torch.where(b > 1, torch.full_like(b, math.inf), math.nan))

    @property
    def mode(self) -> Tensor:
        """(a − 1)/(b + 1) for a ≥ 1, else 0, where the density is infinite."""
        return (self.concentration1 - 1).clamp(min=0) / (self.concentration0 + 1)

    def entropy(self) -> Tensor:
        """ln B(a, b) − (a − 1) ψ(a) − (b + 1) ψ(b) + (a + b) ψ(a + b), in nats."""
        return _entropy(self.concentration1, self.concentration0)

    def _above(self, least: float) -> Tensor:
        """b − least where it is positive, and 1 elsewhere."""
        b = self.concentration0
        return torch.where(b > least, b - least, 1.0)


@in_float64
def _log_density(a: Tensor, b: Tensor, value: Tensor) -> Tensor:
    return torch.xlogy(a - 1, value) - (a + b) * value.log1p() - _log_beta(a, b)


@in_float64
def _entropy(a: Tensor, b: Tensor) -> Tensor:
    return _log_beta(a, b) - (a - 1) * a.digamma() - (b + 1) * b.digamma() + (a + b) * (a + b).digamma()


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return a.lgamma() + b.lgamma() - (a + b).lgamma()


@torch.distributions.register_kl(BetaPrime, BetaPrime)
def kl_beta_prime_beta_prime(p: BetaPrime, q: BetaPrime) -> Tensor:
    """KL(p ‖ q), equal to that of the Beta distributions: it is invariant under a change of variable."""
    first, second = (Beta(d.concentration1, d.concentration0, validate_args=False) for d in (p, q))
    return kl_beta_beta(first, second)
