"""The skew normal distribution."""

import math

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.distributions.quantile import numerical_icdf
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_normal
from irg_experiments.implicit.special.normal import log_ndtr
from irg_experiments.implicit.special.owens_t import skew_normal_cdf, skew_normal_sample_grad


class SkewNormal(Reparameterizable):
    """SkewNormal(loc, scale, skewness), density (2/ω) φ(x) Φ(α x), x = (z − ξ)/ω, with the standard normal φ and Φ.

    Args:
        loc: ξ, any real number; the mean for α = 0 only.
        scale: ω > 0; the standard deviation for α = 0 only.
        skewness: α, the shape parameter, any real number; normal for α = 0, half-normal as α → ±∞. The three broadcast.
        validate_args: whether to check arguments and values.

    ``rsample`` computes z = ξ + ω x, x = (α |u| + v)/√(1 + α²), u, v ~ Normal(0, 1). The gradient of x in α is the implicit
    one, φ(α x)/(Φ(α x) (1 + α²)) (``special.skew_normal_sample_grad``). It is preferred to the explicit one of u and v because
    it is its conditional mean given x, so that its variance is never larger.

    ``cdf`` and ``survival_function`` keep their relative accuracy in both tails.

    Source: Azzalini (1985); Henze (1986) for the sampler; Figurnov, Mohamed & Mnih (2018) for the gradient.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "skewness": constraints.real}
    support = constraints.real

    def __init__(
        self, loc: Tensor | float, scale: Tensor | float, skewness: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.skewness = broadcast_parameters(loc, scale, skewness)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        alpha = self.skewness.expand(shape)
        noise = standard_normal((2, *shape), alpha, generator)
        root = torch.hypot(alpha, torch.ones_like(alpha))
        # in this order α |u| does not overflow
        x = noise[0].abs() * (alpha / root) + noise[1] / root
        return self.loc + self.scale * implicit_sample(x, skew_normal_sample_grad, alpha)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        x = self._standardized(value)
        return 0.5 * math.log(2 / math.pi) - self.scale.log() - 0.5 * x.square() + log_ndtr(self.skewness * x)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.skew_normal_cdf``; differentiable in the value and every parameter."""
        return skew_normal_cdf(self.skewness, self._standardized(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        return skew_normal_cdf(-self.skewness, -self._standardized(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by bisection and Newton's method; differentiable in it and every parameter."""
        zero, one = torch.zeros_like(self.skewness), torch.ones_like(self.skewness)
        # of x, whose digits do not depend on how small ω is beside ξ
        return self.loc + self.scale * numerical_icdf(SkewNormal(zero, one, self.skewness, validate_args=False), value)

    def _standardized(self, value: Tensor) -> Tensor:
        return (self._validated(value) - self.loc) / self.scale

    @property
    def mean(self) -> Tensor:
        """ξ + ω δ √(2/π), δ = α/√(1 + α²)."""
        return self.loc + self.scale * math.sqrt(2 / math.pi) * _delta(self.skewness)

    @property
    def variance(self) -> Tensor:
        """ω² (1 − 2δ²/π), δ = α/√(1 + α²)."""
        return self.scale.square() * (1 - 2 / math.pi * _delta(self.skewness).square())


@in_float64
def _delta(skewness: Tensor) -> Tensor:
    return skewness / torch.hypot(skewness, torch.ones_like(skewness))
