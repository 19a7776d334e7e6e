"""Codes on the simplex."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.dirichlet import Dirichlet, accurate_kl
from irg_experiments.models.common import PriorParameter
from irg_experiments.models.latents.base import Latent, Posterior
from irg_experiments.models.latents.geometry import Simplex


class DirichletLatent(Latent):
    """q = Dirichlet(concentration) on the simplex of D + 1 parts, which has D degrees of freedom.

    Args:
        dim: D.
        concentration: of each part under the prior, from 1e-6 to 1e6; 1 is the uniform distribution on the simplex.
    """

    family = Dirichlet
    geometry = Simplex()
    concentration: Tensor

    def __init__(self, dim: Count, concentration: PriorParameter) -> None:
        super().__init__(dim, dim + 1, dim + 1)
        self.constant("concentration", torch.full((dim + 1,), float(concentration)))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        return Dirichlet(self.positive(outputs, self.concentration), validate_args=False)

    @property
    def prior(self) -> Dirichlet:
        """See ``Latent``."""
        return Dirichlet(self.concentration, validate_args=False)

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return accurate_kl(q, self.prior)

    def units(self, q: Posterior) -> Tensor:
        """All parts form one unit, because they depend on each other."""
        return self.code(q.mean).unsqueeze(-2)

    def prior_variance(self) -> Tensor:
        """See ``Latent``; the sum over all parts."""
        return torch.tensor(float(self.code_size))
