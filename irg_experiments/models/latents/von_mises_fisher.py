"""Codes on the sphere."""

import torch
import torch.distributions as td
from torch import Tensor
from torch.nn.functional import normalize

from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.hyperspherical_uniform import HypersphericalUniform
from irg_experiments.implicit.distributions.von_mises_fisher import (
    VonMisesFisher,
    kl_von_mises_fisher_hyperspherical_uniform,
)
from irg_experiments.models.latents.base import Latent, Posterior, pieces
from irg_experiments.models.latents.geometry import Sphere


class VonMisesFisherLatent(Latent):
    """q = VonMisesFisher(loc, concentration) on the sphere of D dimensions, of unit vectors with D + 1 elements; uniform prior.

    Davidson et al. count dimensions in the same way, so that all latent spaces are compared at equal degrees of freedom. The
    concentration is a positive parameter as any other here; Davidson et al. add one to the softplus of an output.

    Args:
        dim: D.

    Source: Davidson, Falorsi, De Cao, Kipf & Tomczak (2018).
    """

    family = VonMisesFisher
    geometry = Sphere()
    zero: Tensor

    def __init__(self, dim: Count) -> None:
        super().__init__(dim, dim + 2, dim + 1)
        self.constant("zero", torch.zeros(()))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        direction, concentration = pieces(outputs, (self.dim + 1, 1))
        return VonMisesFisher(normalize(direction, dim=-1), self.positive(concentration).squeeze(-1), validate_args=False)

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        zero = self.zero
        return HypersphericalUniform(self.dim + 1, dtype=zero.dtype, device=zero.device, validate_args=False)

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_von_mises_fisher_hyperspherical_uniform(q, self.prior)

    def mean(self, q: Posterior) -> Tensor:
        """The mean direction."""
        return q.loc

    def units(self, q: Posterior) -> Tensor:
        """All coordinates form one unit, because they depend on the choice of axes."""
        return q.mean.unsqueeze(-2)

    def prior_variance(self) -> Tensor:
        """See ``Latent``; a uniform unit vector has mean zero and length one."""
        return self.zero + 1
