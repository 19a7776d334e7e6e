"""Codes on the simplex."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.implicit.distributions.dirichlet import Dirichlet, kl_dirichlet_dirichlet
from irg_experiments.models.latents.base import Latent, Posterior, positive


class DirichletLatent(Latent):
    """q = Dirichlet(concentration) on the simplex of D + 1 parts, which has D degrees of freedom.

    Args:
        dim: D.
        concentration: of each part under the prior; 1 is the uniform distribution on the simplex.
    """

    family = Dirichlet
    geometry = "simplex"
    concentration: Tensor

    def __init__(self, dim: int, concentration: float) -> None:
        super().__init__(dim, dim + 1, dim + 1)
        self.constant("concentration", torch.full((dim + 1,), float(concentration)))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        return Dirichlet(positive(outputs), validate_args=False)

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return Dirichlet(self.concentration, validate_args=False)

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_dirichlet_dirichlet(q, self.prior)

    def quantile(self, u: Tensor) -> Tensor:
        """Uniform on the triangle, whatever the prior."""
        root, v = u[..., 0].sqrt(), u[..., 1]
        return torch.stack([1 - root, root * (1 - v), root * v], -1)
