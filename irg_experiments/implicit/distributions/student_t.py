"""Student's t distribution."""

import math
from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Distribution
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable, exp_clamped
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_log_gamma, standard_normal
from irg_experiments.implicit.special.stdtrit import stdtrit
from irg_experiments.implicit.special.student_t import stdtr, student_t_log_peak, student_t_sample_grad


class StudentT(Reparameterizable, torch.distributions.StudentT):
    """StudentT(df, loc, scale), density ∝ (1 + ((z − loc)/scale)²/df)^(−(df+1)/2), drop-in for ``torch.distributions``.

    Args:
        df: degrees of freedom > 0.
        loc: the median, any real number.
        scale: > 0; the three broadcast.

    ``rsample`` computes z = loc + scale · t, t = ε √(df/2) / √g, ε ~ Normal(0, 1) and g ~ Gamma(df/2, 1), in log space. dt/ddf
    is the implicit derivative of the distribution function of t, ``special.student_t_sample_grad``: the conditional mean, given
    t, of the derivative through g, and so of smaller variance. Draws beyond the range of the dtype, common for df below about
    0.05, are returned as ± its largest number, whose derivative by df is 0. No KL divergence is registered, as none has a
    closed form.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def __init__(
        self,
        df: Tensor | float,
        loc: Tensor | float = 0.0,
        scale: Tensor | float = 1.0,
        validate_args: bool | None = None,
    ) -> None:
        self.df, self.loc, self.scale = broadcast_parameters(df, loc, scale)
        # without torch's own, whose parts for its sampler check their parameters even if that is turned off
        Distribution.__init__(self, self.df.shape, validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return self._expand(batch_shape, _instance)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        df = self.df.expand(shape)
        half, largest = df.detach() / 2, torch.finfo(df.dtype).max
        noise = standard_normal(shape, df, generator)
        log_size = noise.abs().log() + 0.5 * (half.log() - standard_log_gamma(half, generator))
        t = implicit_sample(noise.sign() * exp_clamped(log_size), _finite_sample_grad, df)
        return (self.loc + self.scale * t).clamp(-largest, largest)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.df, self._standardized(value)) - self.scale.log()

    def entropy(self) -> Tensor:
        """ln(scale) + (s + 1/2)(ψ(s + 1/2) − ψ(s)) + ln(√df B(s, 1/2)), s = df/2, in nats."""
        return _entropy(self.df) + self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.stdtr``; differentiable in the value and every parameter."""
        return stdtr(self.df, self._standardized(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        return stdtr(self.df, -self._standardized(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by ``special.stdtrit``; differentiable in it and every parameter."""
        return self.loc + self.scale * stdtrit(self.df, value)

    def _standardized(self, value: Tensor) -> Tensor:
        return (self._validated(value) - self.loc) / self.scale

    @property
    def mean(self) -> Tensor:
        """loc; NaN for df ≤ 1, where the mean does not exist."""
        return torch.where(self.df > 1, self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        """scale² df/(df − 2); infinite for 1 < df ≤ 2, NaN for df ≤ 1."""
        finite = self.scale.square() * self.df / (self.df - 2).clamp(min=torch.finfo(self.df.dtype).tiny)
        return torch.where(self.df > 2, finite, torch.where(self.df > 1, torch.full_like(finite, math.inf), math.nan))


def _finite_sample_grad(df: Tensor, t: Tensor) -> Tensor:
    """dt/ddf, 0 for saturated t and otherwise at most the largest float: a draw masked or clamped later has the gradient 0."""
    largest = torch.finfo(t.dtype).max
    return torch.where(t.abs() < largest, student_t_sample_grad(df, t).clamp(-largest, largest), 0.0)


@in_float64
def _log_density(df: Tensor, t: Tensor) -> Tensor:
    half = 0.5 * df
    return -(half + 0.5) * (t * t / df).log1p() + student_t_log_peak(df)


@in_float64
def _entropy(df: Tensor) -> Tensor:
    half = 0.5 * df
    return (half + 0.5) * ((half + 0.5).digamma() - half.digamma()) - student_t_log_peak(df)
