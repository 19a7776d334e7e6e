"""Relaxed categorical codes."""

import torch
import torch.distributions as td
from torch import Size, Tensor
from torch.distributions.relaxed_categorical import ExpRelaxedCategorical
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_uniform
from irg_experiments.models.latents.base import Latent, Posterior, factorised


class ExpConcrete(Reparameterizable, ExpRelaxedCategorical):
    """The logarithm of a Concrete, or Gumbel-Softmax, variable: y = log_softmax((logits + Gumbel noise)/temperature).

    The gradient is the explicit one, with which the implicit one agrees. Arguments are torch's.

    Source: Maddison, Mnih & Teh (2017); Jang, Gu & Poole (2017).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their gradient; see the class."""
        uniform = standard_uniform(self._extended_shape(sample_shape), self.logits, generator)
        tiny = torch.finfo(uniform.dtype).tiny
        exponential = -torch.log1p(-uniform).clamp(max=-tiny)
        return torch.log_softmax((self.logits - exponential.log()) / self.temperature, -1)


class ConcreteLatent(Latent):
    """D relaxed one-hot variables of K classes each; the decoder gets their D·K components.

    The prior is relaxed as well, with equal probabilities, and the divergence of the two densities is sampled: that of the
    categorical distributions would bound nothing.

    Args:
        dim: D.
        classes: K.
        temperature: of the posterior.
        prior_temperature: of the prior.

    Source: Maddison, Mnih & Teh (2017), who chose 2/3 and 1/2.
    """

    family = ExpConcrete
    temperature: Tensor
    prior_temperature: Tensor
    zero: Tensor

    def __init__(self, dim: int, classes: int, temperature: float, prior_temperature: float) -> None:
        super().__init__(dim, dim * classes, dim * classes)
        self.classes = classes
        self.constant("temperature", torch.tensor(float(temperature)))
        self.constant("prior_temperature", torch.tensor(float(prior_temperature)))
        self.constant("zero", torch.zeros(dim, classes))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``; samples are logarithms, of shape (..., D, K)."""
        logits = outputs.unflatten(-1, (self.dim, self.classes))
        return factorised(ExpConcrete(self.temperature, logits=logits, validate_args=False))

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(ExpConcrete(self.prior_temperature, logits=self.zero, validate_args=False))

    def code(self, z: Tensor) -> Tensor:
        """See ``Latent``."""
        return z.exp().flatten(-2)

    def mean(self, q: Posterior) -> Tensor:
        """The logarithms of the class probabilities."""
        return torch.log_softmax(q.base_dist.logits, -1)

    def units(self, q: Posterior) -> Tensor:
        """The class probabilities, which stand for the means of the relaxed variables."""
        return torch.softmax(q.base_dist.logits, -1)

    def prior_variance(self) -> Tensor:
        """That of a one-hot variable, 1 − 1/K, which no relaxed one exceeds."""
        return self.zero.new_tensor(1 - 1 / self.classes)
