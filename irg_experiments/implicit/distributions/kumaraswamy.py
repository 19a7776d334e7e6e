"""The Kumaraswamy distribution, in log space."""

import math
from collections.abc import Callable

import torch
from torch import Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_uniform


class Kumaraswamy(Reparameterizable, torch.distributions.Kumaraswamy):
    """Kumaraswamy(a, b), density a b z^(a−1) (1−z^a)^(b−1) on (0, 1), drop-in for ``torch.distributions.Kumaraswamy``.

    Args:
        concentration1: a > 0.
        concentration0: b > 0, broadcast with ``concentration1``.

    ln z = ln(1 − e^(−E/b)) / a with E ~ Exponential(1), differentiated as it stands: here the implicit and the explicit
    gradient are the same. Draws that round to an end of the interval, common for a or b below 0.1, are returned as the
    nearest float inside it and keep their own gradient.

    Relative errors are a few units of rounding, times the size of the exponents where these are large. The moments are
    computed in float64, with an absolute error of 3e-12 there.

    Source: Kumaraswamy (1980); Jones (2009).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their gradient; see the class."""
        a, b = self.concentration1, self.concentration0
        uniform = standard_uniform(self._extended_shape(sample_shape), a, generator)
        limits = torch.finfo(a.dtype)
        exponential = -torch.log1p(-uniform).clamp(max=-limits.eps / 4)
        sample = (_log1mexp(exponential / b) / a).exp()
        inside = sample.detach().clamp(limits.tiny, 1 - limits.eps / 2)
        return sample + (inside - sample.detach())

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats; its limit at 0 and 1, infinite or not."""
        if self._validate_args:
            self._validate_sample(value)
        a, b = self.concentration1, self.concentration0
        log_value = torch.where((value == 0) & (a == 1), 0.0, value.log())
        log_complement = torch.where((value == 1) & (b == 1), 0.0, _log1mexp(-a * value.log()))
        return (a * b).log() + (a - 1) * log_value + (b - 1) * log_complement

    def cdf(self, value: Tensor) -> Tensor:
        """1 − (1 − value^a)^b, with its relative accuracy near 0."""
        return self._inside(value, lambda log_survival: -torch.expm1(log_survival), value.ge(1))

    def survival_function(self, value: Tensor) -> Tensor:
        """(1 − value^a)^b: P(Z > value)."""
        return self._inside(value, torch.exp, value.le(0))

    def _inside(self, value: Tensor, function: Callable[[Tensor], Tensor], end: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        inside = (value > 0) & (value < 1)
        log_value = torch.where(inside, value, 0.5).log()
        result = function(self.concentration0 * _log1mexp(-self.concentration1 * log_value))
        return torch.where(inside, result, end.to(result.dtype))

    def icdf(self, value: Tensor) -> Tensor:
        """(1 − (1 − value)^(1/b))^(1/a), the quantile at probability ``value``."""
        return (_log1mexp(-torch.log1p(-value) / self.concentration0) / self.concentration1).exp()

    @property
    def mean(self) -> Tensor:
        """b B(1 + 1/a, b)."""
        return self._moment(1).to(self.concentration1.dtype)

    @property
    def variance(self) -> Tensor:
        """E[z²] − E[z]²."""
        return (self._moment(2) - self._moment(1).square()).to(self.concentration1.dtype)

    @property
    def mode(self) -> Tensor:
        """((a − 1)/(ab − 1))^(1/a) for a, b ≥ 1 but not both 1, else NaN: no single finite maximum."""
        a, b = self.concentration1, self.concentration0
        exists = (a >= 1) & (b >= 1) & (a * b > 1)
        ratio = torch.where(exists, (a - 1) / torch.where(exists, a * b - 1, 1.0), 1.0)
        return torch.where(exists, ratio.pow(1 / a), math.nan)

    def _moment(self, order: int) -> Tensor:
        """E[z^order] = Γ(1 + order/a) Γ(1 + b) / Γ(1 + order/a + b)."""
        a, b = self.concentration1.double(), self.concentration0.double()
        return ((1 + order / a).lgamma() + (1 + b).lgamma() - (1 + order / a + b).lgamma()).exp()


def _log1mexp(x: Tensor) -> Tensor:
    """ln(1 − e^(−x)) for x ≥ 0, each of its two forms kept away from where it loses its digits or its gradient."""
    small = x < math.log(2)
    near = (-torch.expm1(-torch.where(small, x, 1.0))).log()
    far = torch.log1p(-torch.exp(-torch.where(small, 1.0, x)))
    return torch.where(small, near, far)
