"""The Fisher–Snedecor distribution, from two Gamma variables in log space."""

from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Distribution
from torch.types import _size

from irg_experiments.implicit.distributions.base import ReparameterizableByLogarithm, exp_clamped
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_log_gamma
from irg_experiments.implicit.special.beta import betainc
from irg_experiments.implicit.special.betaincinv import log_fdtri
from irg_experiments.implicit.special.gamma import log_gamma_sample_grad


class FisherSnedecor(ReparameterizableByLogarithm, torch.distributions.FisherSnedecor):
    """FisherSnedecor(df1, df2), the F distribution, drop-in for ``torch.distributions.FisherSnedecor``.

    Density ∝ z^(df1/2 − 1) (1 + df1 z/df2)^(−(df1 + df2)/2) for z > 0.

    Args:
        df1: degrees of freedom of the numerator, > 0.
        df2: degrees of freedom of the denominator, > 0; broadcast with ``df1``.

    ``rsample`` computes z = (g₁/df1) / (g₂/df2), g₁ ~ Gamma(df1/2, 1) and g₂ ~ Gamma(df2/2, 1), in log space; ln(g/df)
    carries its implicit gradient in df. Draws beyond the range of the dtype are returned as its largest or smallest normal
    number.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def __init__(
        self,
        df1: Tensor | float,
        df2: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.df1, self.df2 = broadcast_parameters(df1, df2)
        # without torch's own, whose parts for its sampler check their parameters even if that is turned off
        Distribution.__init__(self, self.df1.shape, validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return self._expand(batch_shape, _instance)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        df1, df2 = self.df1.expand(shape), self.df2.expand(shape)
        return exp_clamped(_log_mean_square(df1, generator) - _log_mean_square(df2, generator))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.df1 / 2, self.df2 / 2, self._validated(value))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.betainc``; differentiable in the value, df1 and df2."""
        return self._tail(value, upper=False)

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        return self._tail(value, upper=True)

    def _log_icdf(self, value: Tensor) -> Tensor:
        return log_fdtri(self.df1, self.df2, value)

    def _tail(self, value: Tensor, upper: bool) -> Tensor:
        """I_x(df1/2, df2/2), x = df1 z/(df1 z + df2), from the smaller of x and 1 − x, which loses no digits."""
        numerator, denominator = self.df1 * self._validated(value), self.df2
        low = numerator <= denominator
        x = torch.where(low, numerator, denominator) / (numerator + denominator)
        a, b = torch.where(low, self.df1, self.df2) / 2, torch.where(low, self.df2, self.df1) / 2
        tail = betainc(a, b, x)
        return torch.where(low, 1 - tail, tail) if upper else torch.where(low, tail, 1 - tail)

    def entropy(self) -> Tensor:
        """ln B(df1/2, df2/2) + (1 − df1/2) ψ(df1/2) − (1 + df2/2) ψ(df2/2) + s ψ(s) + ln(df2/df1), s = (df1 + df2)/2."""
        return _entropy(self.df1 / 2, self.df2 / 2)


def _log_mean_square(df: Tensor, generator: Generator | None) -> Tensor:
    """Draw ln(g/df), g ~ Gamma(df/2, 1), with one derivative: those of ln g and ln df may have infinite products in turn."""
    return implicit_sample(standard_log_gamma(df / 2, generator) - df.log(), _log_mean_square_grad, df)


def _log_mean_square_grad(df: Tensor, value: Tensor) -> Tensor:
    return 0.5 * log_gamma_sample_grad(0.5 * df, value + df.log()) - 1 / df


@in_float64
def _log_density(a: Tensor, b: Tensor, value: Tensor) -> Tensor:
    ratio = a / b
    powers = torch.xlogy(a, ratio) + torch.xlogy(a - 1, value) - (a + b) * torch.log1p(ratio * value)
    return (a + b).lgamma() - a.lgamma() - b.lgamma() + powers


@in_float64
def _entropy(a: Tensor, b: Tensor) -> Tensor:
    total = a + b
    log_beta = a.lgamma() + b.lgamma() - total.lgamma()
    digammas = (1 - a) * a.digamma() - (1 + b) * b.digamma() + total * total.digamma()
    return log_beta + digammas + (b / a).log()
