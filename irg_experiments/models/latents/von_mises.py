"""Codes on the torus: an angle in each coordinate."""

from typing import Annotated

import torch
import torch.distributions as td
from pydantic import Field, Strict
from torch import Tensor

from irg_experiments.config.types import Count, Must
from irg_experiments.implicit.distributions.von_mises import VonMises, kl_von_mises_von_mises
from irg_experiments.models.latents.base import Latent, Posterior, factorised, pieces
from irg_experiments.models.latents.geometry import Torus

# of the prior
Concentration = Annotated[float, Strict(), Field(ge=0, le=1e6, allow_inf_nan=False), Must("a number from 0 to 1.0e6")]


class VonMisesLatent(Latent):
    """q = VonMises(loc, concentration) in each coordinate; the decoder's input is [cos z, sin z].

    The encoder outputs the direction as a point of the plane, loc = atan2(y, x), because an angle would jump where it wraps.
    By location and precision, concentration = max(κ, 1) exp(v) for the prior's κ and an output v of the encoder.

    Args:
        dim: D.
        concentration: κ of the prior VonMises(0, κ), from 0 to 1e6; 0 is the uniform distribution on the circle.
    """

    family = VonMises
    geometry = Torus()
    concentration: Tensor

    def __init__(self, dim: Count, concentration: Concentration) -> None:
        super().__init__(dim, 3 * dim, 2 * dim)
        self.constant("concentration", torch.full((dim,), float(concentration)))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        x, y, concentration = pieces(outputs, 3)
        return factorised(
            VonMises(torch.atan2(y, x), self.positive(concentration, self.concentration.clamp(min=1)), validate_args=False)
        )

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(VonMises(torch.zeros_like(self.concentration), self.concentration, validate_args=False))

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_von_mises_von_mises(q.base_dist, self.prior_factor).sum(-1)

    def mean(self, q: Posterior) -> Tensor:
        """The mean direction."""
        return q.base_dist.loc

    def units(self, q: Posterior) -> Tensor:
        """E[cos z] and E[sin z]: the mean direction on a circle of radius I1(κ)/I0(κ)."""
        loc, radius = q.base_dist.loc, 1 - q.base_dist.variance
        return torch.stack([radius * loc.cos(), radius * loc.sin()], -1)

    def prior_variance(self) -> Tensor:
        """The sum of the variances of cos z and sin z: 1 − (I1(κ)/I0(κ))²."""
        variance: Tensor = self.prior_factor.variance
        return variance * (2 - variance)
