"""Gamma codes."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.gamma import Gamma, kl_gamma_gamma
from irg_experiments.models.common import PriorParameter
from irg_experiments.models.latents.base import Latent, Posterior, factorised, pieces
from irg_experiments.models.latents.geometry import Quadrant


class GammaLatent(Latent):
    """q = Gamma(concentration, rate) in each coordinate.

    By location and precision, concentration = a exp(v) and mean = (a/b) exp(u) for the prior Gamma(a, b); u, v are outputs of
    the encoder.

    Args:
        dim: D.
        concentration, rate: of the prior, the same in each coordinate, from 1e-6 to 1e6.
    """

    family = Gamma
    geometry = Quadrant()
    concentration: Tensor
    rate: Tensor

    def __init__(self, dim: Count, concentration: PriorParameter, rate: PriorParameter) -> None:
        super().__init__(dim, 2 * dim, dim)
        self.constant("concentration", torch.full((dim,), float(concentration)))
        self.constant("rate", torch.full((dim,), float(rate)))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        if self.natural:
            concentration, rate = pieces(self.positive(outputs), 2)
        else:
            location, precision = pieces(outputs, 2)
            concentration = self.positive(precision, self.concentration)
            rate = self.exponential(concentration.log() + (self.rate / self.concentration).log() - location)
        return factorised(Gamma(concentration, rate, validate_args=False))

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(Gamma(self.concentration, self.rate, validate_args=False))

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_gamma_gamma(q.base_dist, self.prior_factor).sum(-1)
