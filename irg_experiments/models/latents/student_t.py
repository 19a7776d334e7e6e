"""Student's t codes."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.student_t import StudentT
from irg_experiments.models.common import PriorParameter
from irg_experiments.models.latents.base import Latent, Posterior, factorised, pieces
from irg_experiments.models.latents.geometry import Plane

# the third quartile of the standard normal distribution
NORMAL_QUARTILE = 0.6744897501960817


class StudentTLatent(Latent):
    """q = StudentT(df, loc, scale) in each coordinate. The divergence has no closed form and is estimated from samples.

    A posterior has more than two degrees of freedom, 2 plus a positive parameter: with one or fewer the expected log-likelihood
    of a decoder whose logits grow with z is minus infinity, and with two or fewer the gradient has infinite variance.

    Args:
        dim: D.
        df: degrees of freedom of the prior StudentT(df, 0, 1), from 1e-6 to 1e6.
    """

    family = StudentT
    geometry = Plane()
    df: Tensor

    def __init__(self, dim: Count, df: PriorParameter) -> None:
        super().__init__(dim, 3 * dim, dim)
        self.constant("df", torch.full((dim,), float(df)))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        df, loc, scale = pieces(outputs, 3)
        return factorised(StudentT(2 + self.positive(df), loc, self.positive(scale), validate_args=False))

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        zero = torch.zeros_like(self.df)
        return factorised(StudentT(self.df, zero, zero + 1, validate_args=False))

    def code(self, z: Tensor) -> Tensor:
        """The sample itself, because a prior with two or fewer degrees of freedom has no finite variance."""
        return z

    def mean(self, q: Posterior) -> Tensor:
        """The median, which exists for every df."""
        return q.base_dist.loc

    def units(self, q: Posterior) -> Tensor:
        """The median, which exists for every df."""
        return q.base_dist.loc.unsqueeze(-1)

    def prior_variance(self) -> Tensor:
        """See ``Latent``; where it is infinite, for df ≤ 2, that of the normal distribution with the prior's quartiles."""
        prior = self.prior_factor
        normal = (prior.icdf(torch.full_like(self.df, 0.75)) / NORMAL_QUARTILE).square()
        return torch.where(prior.variance.isfinite(), prior.variance, normal)
