"""Codes on the sphere."""

import torch
import torch.distributions as td
from torch import Tensor
from torch.nn.functional import normalize

from irg_experiments.implicit.distributions.hyperspherical_uniform import HypersphericalUniform
from irg_experiments.implicit.distributions.von_mises_fisher import (
    VonMisesFisher,
    kl_von_mises_fisher_hyperspherical_uniform,
)
from irg_experiments.models.latents.base import Latent, Posterior, pieces


class VonMisesFisherLatent(Latent):
    """q = VonMisesFisher(loc, concentration) on the sphere of D dimensions, in a space of D + 1; uniform prior.

    Davidson et al. count dimensions the same way, so that a sphere has as many degrees of freedom as its rivals. The
    concentration is softplus alone, like every positive parameter here, where theirs has one added.

    Source: Davidson, Falorsi, De Cao, Kipf & Tomczak (2018).
    """

    family = VonMisesFisher
    geometry = "sphere"
    zero: Tensor

    def __init__(self, dim: int) -> None:
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

    def code(self, z: Tensor) -> Tensor:
        """The point of the sphere itself."""
        return z

    def mean(self, q: Posterior) -> Tensor:
        """The mean direction."""
        return q.loc

    def units(self, q: Posterior) -> Tensor:
        """The sphere is one unit: its coordinates depend on the choice of axes."""
        return q.mean.unsqueeze(-2)

    def prior_variance(self) -> Tensor:
        """That of a unit vector without a preferred direction."""
        return self.zero + 1

    def quantile(self, u: Tensor) -> Tensor:
        """By longitude and, as areas are equal between parallels of equal distance, the sine of latitude."""
        longitude, height = 2 * torch.pi * u[..., 0], 2 * u[..., 1] - 1
        radius = (1 - height * height).sqrt()
        return torch.stack([radius * longitude.cos(), radius * longitude.sin(), height], -1)
