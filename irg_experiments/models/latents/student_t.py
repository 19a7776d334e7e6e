"""Student's t codes."""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.implicit.distributions.student_t import StudentT
from irg_experiments.models.latents.base import Latent, Posterior, factorised, pieces


class StudentTLatent(Latent):
    """q = StudentT(df, loc, scale) in each coordinate. The divergence has no closed form, and is sampled.

    A posterior has more than two degrees of freedom, 2 + softplus: with one or fewer the expected log-likelihood of a decoder
    whose logits grow with z is minus infinity, and with two or fewer the gradient has no variance.

    Args:
        dim: D.
        df: degrees of freedom of the prior StudentT(df, 0, 1).
    """

    family = StudentT
    geometry = "plane"
    df: Tensor

    def __init__(self, dim: int, df: float) -> None:
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
        """The sample itself, as a prior of two degrees of freedom or fewer has no variance."""
        return z

    def mean(self, q: Posterior) -> Tensor:
        """The median, which exists for every df."""
        return q.base_dist.loc

    def units(self, q: Posterior) -> Tensor:
        """The median, which exists for every df."""
        return q.base_dist.loc.unsqueeze(-1)

    def prior_variance(self) -> Tensor:
        """See ``Latent``."""
        variance: Tensor = self.prior_factor.variance
        return variance
