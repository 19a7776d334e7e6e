"""Normal codes."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.normal import Normal, kl_normal_normal
from irg_experiments.models.latents.base import Latent, Posterior, factorised, pieces
from irg_experiments.models.latents.geometry import Plane


class NormalLatent(Latent):
    """q = Normal(loc, scale) in each coordinate; prior Normal(0, 1).

    Args:
        dim: D.

    Source: Kingma & Welling (2013).
    """

    family = Normal
    geometry = Plane()
    zero: Tensor

    def __init__(self, dim: Count) -> None:
        super().__init__(dim, 2 * dim, dim)
        self.constant("zero", torch.zeros(dim))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        loc, scale = pieces(outputs, 2)
        return factorised(Normal(loc, self.positive(scale), validate_args=False))

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(Normal(self.zero, torch.ones_like(self.zero), validate_args=False))

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_normal_normal(q.base_dist, self.prior_factor).sum(-1)
