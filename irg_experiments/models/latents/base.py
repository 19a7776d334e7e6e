"""What every latent space of the VAE shares: a prior, a family of posteriors, and how a code reaches the decoder."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.distributions as td
from torch import Tensor, nn
from torch.nn.functional import softplus

from irg_experiments.implicit.distributions.truncated import Truncated

# a distribution of the latent space's own making, whose attributes are those of its family
Posterior = Any

# within which the positive parameters of a posterior are kept
LIMITS = (1e-3, 1e3)


class Latent(nn.Module):
    """One latent space. ``posterior`` makes q(z | x) of what the encoder says about each image; the prior is fixed.

    Args:
        dim: D ≥ 1, the degrees of freedom of a code.
        parameters: how many outputs of the encoder a posterior takes.
        code_size: how many numbers the decoder gets for a code.

    Attributes:
        limits: within which the positive parameters of a posterior are kept, by clipping.
        family: the distribution whose samples an estimator must be able to differentiate.
        geometry: how two-dimensional codes are drawn: plane, square, quadrant, torus, sphere, simplex, or "" for not at all.
    """

    family: ClassVar[type[td.Distribution]]
    geometry: ClassVar[str] = ""
    limits: tuple[float, float] = LIMITS

    def __init__(self, dim: int, parameters: int, code_size: int) -> None:
        super().__init__()
        self.dim, self.num_parameters, self.code_size = dim, parameters, code_size

    def constant(self, name: str, value: Tensor) -> None:
        """A tensor of the prior, which moves with the module and is no part of its state."""
        self.register_buffer(name, value, persistent=False)

    def positive(self, outputs: Tensor) -> Tensor:
        """Positive parameters of outputs of the encoder: softplus, within ``limits``."""
        return softplus(outputs).clamp(*self.limits)

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """q(z | x), of batch shape (B,), from the encoder's outputs (B, ``num_parameters``)."""
        raise NotImplementedError

    @property
    def prior(self) -> td.Distribution:
        """p(z), of batch shape ()."""
        raise NotImplementedError

    def kl(self, q: Posterior) -> Tensor | None:
        """KL(q ‖ prior) of each posterior in nats, shape (B,); None where it has no closed form."""
        return None

    def code(self, z: Tensor) -> Tensor:
        """What the decoder gets for a sample: shape (..., ``code_size``).

        Unless the latent space has another code, that is the sample with the prior's mean taken off and in units of its
        standard deviation: a decoder learns faster whose first layer gets numbers of order one.
        """
        prior = self.prior_factor
        code: Tensor = (z - prior.mean) / prior.variance.sqrt()
        return code

    def mean(self, q: Posterior) -> Tensor:
        """The point of the latent space that stands for a posterior, of the shape of a sample."""
        return q.mean

    def units(self, q: Posterior) -> Tensor:
        """E_q[code(z)], (B, units, width): a unit is a coordinate, with all the numbers by which the decoder knows it."""
        return self.code(q.mean).unsqueeze(-1)

    def prior_variance(self) -> Tensor:
        """The variance of the code of each unit under the prior, summed over its numbers: shape (units,) or ()."""
        return torch.ones(())

    def quantile(self, u: Tensor) -> Tensor:
        """The map of the unit square, (..., 2), to the latent space of D = 2 that carries the uniform law to the prior."""
        return Truncated(self.prior_factor, validate_args=False).icdf(u)

    @property
    def prior_factor(self) -> Posterior:
        """The law of each coordinate under a factorised prior."""
        prior = self.prior
        return prior.base_dist if isinstance(prior, td.Independent) else prior


def factorised(distribution: td.Distribution) -> td.Distribution:
    """The product of the distributions along the last batch dimension."""
    return td.Independent(distribution, 1, validate_args=False)


def pieces(outputs: Tensor, sizes: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The outputs cut along their last dimension: into so many equal pieces, or into pieces of these sizes."""
    return outputs.chunk(sizes, -1) if isinstance(sizes, int) else outputs.split(list(sizes), -1)
