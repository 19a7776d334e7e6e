"""Codes on the simplex."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.implicit.distributions.beta import Beta
from irg_experiments.implicit.distributions.dirichlet import Dirichlet, kl_dirichlet_dirichlet
from irg_experiments.implicit.distributions.truncated import Truncated
from irg_experiments.models.latents.base import Latent, Posterior


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
        return Dirichlet(self.positive(outputs), validate_args=False)

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return Dirichlet(self.concentration, validate_args=False)

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_dirichlet_dirichlet(q, self.prior)

    def units(self, q: Posterior) -> Tensor:
        """The simplex is one unit: its parts depend on each other."""
        return self.code(q.mean).unsqueeze(-2)

    def prior_variance(self) -> Tensor:
        """Of all parts together."""
        return torch.tensor(float(self.code_size))

    def quantile(self, u: Tensor) -> Tensor:
        """By breaking the stick: the first part is Beta(α, 2α), the second's share of what remains Beta(α, α)."""
        alpha = self.concentration[0]
        first, share = (
            Truncated(Beta(alpha, rest * alpha, validate_args=False), validate_args=False).icdf(u[..., index])
            for index, rest in ((0, 2), (1, 1))
        )
        return torch.stack([first, (1 - first) * share, (1 - first) * (1 - share)], -1)
