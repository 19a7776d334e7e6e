"""The two-piece normal distribution, also called split normal."""

import math

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_normal, standard_uniform
from irg_experiments.implicit.special.normal import log_ndtr, ndtri_exp
from irg_experiments.implicit.special.two_piece_normal import two_piece_normal_sample_grad


class TwoPieceNormal(Reparameterizable):
    """TwoPieceNormal(loc, scale, skewness), two halves of normal distributions with standard deviations σ/γ and σ γ.

    Density √(2/π)/(σ (γ + 1/γ)) e^(−(k x)²/2), x = (z − μ)/σ, k = γ for x < 0 and 1/γ for x ≥ 0; continuous at its mode μ.

    Args:
        loc: μ, the mode, any real number.
        scale: σ > 0, the geometric mean of the two standard deviations.
        skewness: γ > 0; γ² is the ratio of the probabilities on the right and on the left of the mode. Normal for γ = 1, skewed
            to the right for γ > 1. The three broadcast.
        validate_args: whether to check arguments and values.

    ``rsample`` computes z = μ + σ x with x = −|ε|/γ with probability 1/(1 + γ²) and |ε| γ otherwise, ε ~ Normal(0, 1). dx/dγ is
    the implicit derivative |x|/γ + 2 Φ(−t)/(φ(t) (1 + γ²)), t = k |x|: differentiating x at fixed ε would miss its second term,
    by which probability moves across the mode.

    Source: Fernández & Steel (1998), eq. 1, in the parameterization of TensorFlow Probability; Figurnov, Mohamed & Mnih (2018)
    for the gradient.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "skewness": constraints.positive}
    support = constraints.real

    def __init__(
        self, loc: Tensor | float, scale: Tensor | float, skewness: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.skewness = broadcast_parameters(loc, scale, skewness)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        skewness = self.skewness.expand(shape)
        distance = standard_normal(shape, skewness, generator).abs()
        left = standard_uniform(shape, skewness, generator) < self._log_left().exp()
        x = torch.where(left, -distance / skewness, distance * skewness)
        return self.loc + self.scale * implicit_sample(x, two_piece_normal_sample_grad, skewness)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        _, t = self._standardized(value)
        return 0.5 * math.log(2 / math.pi) - self.scale.log() - self._log_sum() - 0.5 * t.square()

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value)."""
        return self.log_cdf(value).exp()

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        return self.log_survival_function(value).exp()

    def log_cdf(self, value: Tensor) -> Tensor:
        """ln P(Z ≤ value), finite even if the probability underflows."""
        return self._log_tails(value, lower=True)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """ln P(Z > value), finite even if the probability underflows."""
        return self._log_tails(value, lower=False)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``."""
        left, log_left, log_right = value <= self._log_left().exp(), self._log_left(), self._log_right()
        log_tail = torch.where(left, value.log() - log_left, torch.log1p(-value) - log_right)
        log_tail = torch.where(log_tail > 0, log_tail - log_tail.detach(), log_tail)  # it is above 0 by rounding alone
        distance = -ndtri_exp(log_tail - math.log(2))
        return self.loc + self.scale * torch.where(left, -distance / self.skewness, distance * self.skewness)

    @property
    def mean(self) -> Tensor:
        """μ + σ √(2/π) (γ − 1/γ)."""
        return self.loc + self.scale * math.sqrt(2 / math.pi) * self._difference()

    @property
    def variance(self) -> Tensor:
        """σ² (1 + (1 − 2/π) (γ − 1/γ)²)."""
        return self.scale.square() * (1 + (1 - 2 / math.pi) * self._difference().square())

    @property
    def mode(self) -> Tensor:
        """μ."""
        return self.loc

    def entropy(self) -> Tensor:
        """1/2 + ln(√(π/2) σ (γ + 1/γ)), in nats."""
        return 0.5 + 0.5 * math.log(math.pi / 2) + self.scale.log() + self._log_sum()

    def _standardized(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether the value is on the left of the mode, and t = k |x|."""
        x = (self._validated(value) - self.loc) / self.scale
        left = x < 0
        return left, torch.where(left, -x * self.skewness, x / self.skewness)

    def _log_tails(self, value: Tensor, lower: bool) -> Tensor:
        """ln P(Z ≤ value) if ``lower``, else ln P(Z > value)."""
        left, t = self._standardized(value)
        log_tail = math.log(2) + log_ndtr(-t) + torch.where(left, self._log_left(), self._log_right())
        near = left if lower else ~left
        # the other side of the mode; where the logarithm is taken of a complement, the tail is below 1
        complement = torch.log1p(-torch.where(near, -math.inf, log_tail).exp())
        return torch.where(near, log_tail, complement)

    def _log_left(self) -> Tensor:
        """The logarithm of P(Z < μ) = 1/(1 + γ²)."""
        return torch.nn.functional.logsigmoid(-2 * self.skewness.log())

    def _log_right(self) -> Tensor:
        return torch.nn.functional.logsigmoid(2 * self.skewness.log())

    def _difference(self) -> Tensor:
        return self.skewness - 1 / self.skewness

    def _log_sum(self) -> Tensor:
        """ln(γ + 1/γ)."""
        return torch.logaddexp(self.skewness.log(), -self.skewness.log())
