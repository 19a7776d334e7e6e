"""The logarithm of the Concrete distribution."""

import torch
from torch import Generator, Size, Tensor
from torch.distributions.relaxed_categorical import ExpRelaxedCategorical

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

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        uniform = standard_uniform(shape, self.logits, generator)
        exponential = -torch.log1p(-uniform).clamp(max=-torch.finfo(uniform.dtype).tiny)
        return torch.log_softmax((self.logits - exponential.log()) / self.temperature, -1)
