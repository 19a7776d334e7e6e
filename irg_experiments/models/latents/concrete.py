"""Relaxed categorical codes."""

from typing import Annotated

import torch
import torch.distributions as td
from pydantic import Field, Strict
from torch import Tensor

from irg_experiments.config.types import Count, Must
from irg_experiments.implicit.distributions.exp_concrete import ExpConcrete
from irg_experiments.models.common import PriorParameter
from irg_experiments.models.latents.base import Latent, Posterior, factorised

# of each variable; the upper bound is far above what fits into memory
Classes = Annotated[int, Strict(), Field(ge=2, le=10**9), Must("a whole number of at least 2")]


class ConcreteLatent(Latent):
    """D relaxed one-hot variables of K classes each; the decoder's inputs are their D·K components.

    The prior is relaxed as well, with equal probabilities. The divergence between the two relaxed densities is estimated from
    samples; with the divergence between the categorical distributions the objective would not be a bound.

    Args:
        dim: D.
        classes: K ≥ 2.
        temperature: of the posterior, from 1e-6 to 1e6.
        prior_temperature: of the prior, from 1e-6 to 1e6.

    Source: Maddison, Mnih & Teh (2017), who chose 2/3 and 1/2.
    """

    family = ExpConcrete
    temperature: Tensor
    prior_temperature: Tensor
    zero: Tensor

    def __init__(self, dim: Count, classes: Classes, temperature: PriorParameter, prior_temperature: PriorParameter) -> None:
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
        """See ``Latent``; the relaxed one-hot vectors."""
        return z.exp().flatten(-2)

    def mean(self, q: Posterior) -> Tensor:
        """The logarithms of the class probabilities."""
        return torch.log_softmax(q.base_dist.logits, -1)

    def units(self, q: Posterior) -> Tensor:
        """The class probabilities, in place of the means of the relaxed variables, which have no closed form."""
        return torch.softmax(q.base_dist.logits, -1)

    def prior_variance(self) -> Tensor:
        """That of a one-hot variable, 1 − 1/K, an upper bound for a relaxed one."""
        return self.zero.new_tensor(1 - 1 / self.classes)
