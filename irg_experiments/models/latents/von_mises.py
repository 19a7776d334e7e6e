"""Codes on the circle, in each coordinate, and so on the torus."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.implicit.distributions.truncated import Truncated
from irg_experiments.implicit.distributions.von_mises import VonMises, kl_von_mises_von_mises
from irg_experiments.models.latents.base import Latent, Posterior, factorised, pieces


class VonMisesLatent(Latent):
    """q = VonMises(loc, concentration) in each coordinate; the decoder gets [cos z, sin z].

    The encoder gives the direction as a point of the plane, loc = atan2(y, x): an angle would have a seam.

    Args:
        dim: D.
        concentration: κ ≥ 0 of the prior VonMises(0, κ); 0 is the uniform distribution on the circle.
    """

    family = VonMises
    geometry = "torus"
    concentration: Tensor

    def __init__(self, dim: int, concentration: float) -> None:
        super().__init__(dim, 3 * dim, 2 * dim)
        self.constant("concentration", torch.full((dim,), float(concentration)))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        x, y, concentration = pieces(outputs, 3)
        return factorised(VonMises(torch.atan2(y, x), self.positive(concentration), validate_args=False))

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(VonMises(torch.zeros_like(self.concentration), self.concentration, validate_args=False))

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_von_mises_von_mises(q.base_dist, self.prior_factor).sum(-1)

    def code(self, z: Tensor) -> Tensor:
        """See ``Latent``."""
        return torch.cat([z.cos(), z.sin()], -1)

    def mean(self, q: Posterior) -> Tensor:
        """The mean direction."""
        return q.base_dist.loc

    def units(self, q: Posterior) -> Tensor:
        """E[cos z] and E[sin z]: the mean direction on a circle of radius I1(κ)/I0(κ)."""
        loc, radius = q.base_dist.loc, 1 - q.base_dist.variance
        return torch.stack([radius * loc.cos(), radius * loc.sin()], -1)

    def prior_variance(self) -> Tensor:
        """Of cos z and sin z together: 1 − (I1(κ)/I0(κ))²."""
        variance: Tensor = self.prior_factor.variance
        return variance * (2 - variance)

    def quantile(self, u: Tensor) -> Tensor:
        """See ``Latent``."""
        return Truncated(self.prior_factor, -torch.pi, torch.pi, validate_args=False).icdf(u)
