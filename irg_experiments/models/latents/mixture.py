"""Codes with a multimodal posterior."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.mixture_same_family import MixtureSameFamily
from irg_experiments.implicit.distributions.normal import Normal
from irg_experiments.models.latents.base import Latent, factorised, pieces
from irg_experiments.models.latents.geometry import Plane


class MixtureLatent(Latent):
    """q = Σ_k π_k Π_i Normal(loc_ki, scale_ki); prior Normal(0, 1) in each coordinate.

    Samples are differentiated through the distributional transform. The divergence has no closed form and is estimated from
    samples.

    Args:
        dim: D.
        components: K.
    """

    family = MixtureSameFamily
    geometry = Plane()
    zero: Tensor

    def __init__(self, dim: Count, components: Count) -> None:
        super().__init__(dim, components * (1 + 2 * dim), dim)
        self.components = components
        self.constant("zero", torch.zeros(dim))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        each = self.components * self.dim
        logits, loc, scale = pieces(outputs, (self.components, each, each))
        shape = (*outputs.shape[:-1], self.components, self.dim)
        normal = Normal(loc.reshape(shape), self.positive(scale).reshape(shape), validate_args=False)
        weights = td.Categorical(logits=logits, validate_args=False)
        return MixtureSameFamily(weights, factorised(normal), validate_args=False)

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(Normal(self.zero, torch.ones_like(self.zero), validate_args=False))
