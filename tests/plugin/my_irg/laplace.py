"""Laplace codes."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Count
from irg_experiments.implicit import Reparameterized
from irg_experiments.models.latents import Latent, Plane
from irg_experiments.models.latents.base import Posterior, factorised, pieces


class LaplaceLatent(Latent):
    """q = Laplace(loc, scale) in each coordinate; prior Laplace(0, 1).

    Args:
        dim: D.
    """

    family = Reparameterized
    geometry = Plane()
    zero: Tensor

    def __init__(self, dim: Count) -> None:
        super().__init__(dim, parameters=2 * dim, code_size=dim)
        self.constant("zero", torch.zeros(dim))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        loc, scale = pieces(outputs, 2)
        return factorised(Reparameterized(td.Laplace(loc, self.positive(scale), validate_args=False), validate_args=False))

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(td.Laplace(self.zero, torch.ones_like(self.zero), validate_args=False))

    def kl(self, q: Posterior) -> Tensor:
        """See ``Latent``."""
        return td.kl_divergence(q.base_dist.base, self.prior_factor).sum(-1)
