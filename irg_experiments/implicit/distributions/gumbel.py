"""The Gumbel distribution."""

import math
from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import in_floating_point
from irg_experiments.implicit.distributions.weibull import standard_log_exponential


class Gumbel(Reparameterizable, torch.distributions.Gumbel):
    """Gumbel(loc, scale), density e^(−x − e^(−x))/σ, x = (z − μ)/σ, drop-in for ``torch.distributions.Gumbel``.

    Args:
        loc: μ, the mode, any real number.
        scale: σ > 0, broadcast with ``loc``.

    ``rsample`` computes z = μ − σ ln E, E ~ Exponential(1); the implicit and the explicit gradient agree. Unlike torch's,
    ``survival_function`` keeps its digits in the upper tail, and ``log_cdf`` its value in the lower one.

    Source: Gumbel (1935); the maximum of many independent variables.
    """

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        loc, scale = in_floating_point(loc, scale)
        super().__init__(loc, scale, validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return self._expand(batch_shape, _instance)  # torch's needs its transforms, which copying and pickling break

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        return self.loc - self.scale * standard_log_exponential(shape, self.loc, generator)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value) = e^(−e^(−x))."""
        return self.log_cdf(value).exp()

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value) = 1 − e^(−e^(−x))."""
        return -torch.expm1(self.log_cdf(value))

    def log_cdf(self, value: Tensor) -> Tensor:
        """ln P(Z ≤ value) = −e^(−x)."""
        return -((self.loc - self._validated(value)) / self.scale).exp()

    def log_survival_function(self, value: Tensor) -> Tensor:
        """ln P(Z > value), finite even if the probability underflows."""
        x = (self._validated(value) - self.loc) / self.scale
        # for large x, 1 − e^(−e^(−x)) is e^(−x)
        far = x > -math.log(torch.finfo(x.dtype).eps)
        near = torch.where(far, 0.0, x)
        return torch.where(far, -x, (-torch.expm1(-(-near).exp())).log())

    def icdf(self, value: Tensor) -> Tensor:
        """μ − σ ln(−ln value), the quantile at probability ``value``."""
        return self.loc - self.scale * (-value.log()).log()
