"""The logarithm of the Concrete distribution."""

from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Categorical, Distribution
from torch.distributions.relaxed_categorical import ExpRelaxedCategorical
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_uniform


class ExpConcrete(Reparameterizable, ExpRelaxedCategorical):
    """ExpConcrete(temperature, logits), the logarithm of a Concrete (Gumbel-Softmax) variable with K classes.

    Drop-in for ``torch.distributions.relaxed_categorical.ExpRelaxedCategorical``. The density is, for Σ exp(y_k) = 1,
    Γ(K) T^(K−1) ∏ exp(logits_k − T y_k) / (Σ exp(logits_k − T y_k))^K.

    Args:
        temperature: T > 0, a tensor with one element.
        probs: probabilities of the classes, of shape (..., K).
        logits: logarithms of unnormalised probabilities, of shape (..., K), instead of ``probs``.

    ``rsample`` computes y = log_softmax((logits + Gumbel noise) / T) and carries the explicit gradient, which agrees with the
    implicit one.

    Source: Maddison, Mnih & Teh (2017); Jang, Gu & Poole (2017).
    """

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        # without torch's own, whose Categorical checks its parameters even if that is turned off
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical.param_shape
        Distribution.__init__(self, shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return self._expand(batch_shape, _instance)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        uniform = standard_uniform(shape, self.logits, generator)
        exponential = -torch.log1p(-uniform).clamp(max=-torch.finfo(uniform.dtype).tiny)
        return torch.log_softmax((self.logits - exponential.log()) / self.temperature, -1)
