"""Student's t distribution."""

import math

import torch
from torch import Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_log_gamma, standard_normal
from irg_experiments.implicit.special.student_t import stdtr, student_t_sample_grad


class StudentT(Reparameterizable, torch.distributions.StudentT):
    """StudentT(df, loc, scale), density ∝ (1 + ((z − loc)/scale)²/df)^(−(df+1)/2), drop-in for ``torch.distributions``.

    Args:
        df: degrees of freedom > 0.
        loc: the median, any real number.
        scale: > 0; the three broadcast.

    z = loc + scale · t, t = ε √(df/2) / √g with ε ~ Normal(0, 1) and g ~ Gamma(df/2, 1), drawn in log space. The gradient of
    t in df is that of its own distribution function, ``special.student_t_sample_grad``. It is the conditional mean given t of
    the gradient that goes through g, and so has a smaller variance. Draws beyond the range of the dtype, common for df below
    about 0.05, are returned as its largest number. There is no KL divergence in closed form, and none is registered.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        df = self.df.expand(self._extended_shape(sample_shape))
        noise = standard_normal(df.shape, df, generator)
        half, largest = df.detach() / 2, torch.finfo(df.dtype).max
        log_size = noise.abs().log() + 0.5 * (half.log() - standard_log_gamma(half, generator))
        t = noise.sign() * log_size.clamp(max=math.log(largest)).exp().clamp(max=largest)
        return (self.loc + self.scale * implicit_sample(t, student_t_sample_grad, df)).clamp(-largest, largest)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.stdtr``; differentiable in value and in every parameter."""
        return stdtr(self.df, self._standardized(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        return stdtr(self.df, -self._standardized(value))

    def _standardized(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale

    @property
    def mean(self) -> Tensor:
        """loc; NaN for df ≤ 1, where it does not exist."""
        return torch.where(self.df > 1, self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        """scale² df/(df − 2); infinite for 1 < df ≤ 2, NaN for df ≤ 1."""
        finite = self.scale.square() * self.df / (self.df - 2).clamp(min=torch.finfo(self.df.dtype).tiny)
        return torch.where(self.df > 2, finite, torch.where(self.df > 1, math.inf, math.nan))
