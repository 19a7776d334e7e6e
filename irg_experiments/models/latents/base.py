"""The base class of the VAE's latent spaces: a prior, a family of posteriors, and the decoder's input for a sample."""

import abc
import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.distributions as td
from torch import Tensor, nn
from torch.nn.functional import softplus

from irg_experiments.config.types import Must
from irg_experiments.models.common import LIMITS
from irg_experiments.models.latents.geometry import Geometry, in_prior_units
from irg_experiments.models.latents.limits import clip

# how the positive parameters of a posterior follow from the encoder's outputs, see ``Latent.positive``
Parameterization = Annotated[Literal["natural", "location_precision"], Must("natural or location_precision")]

# a distribution that the latent space itself has made, with the attributes of its family
Posterior = Any


class Latent(nn.Module, abc.ABC):
    """A latent space: posteriors q(z | x) made from the encoder's outputs, and a fixed prior p(z).

    A subclass implements ``posterior`` and ``prior``, ``kl`` if it has a closed form, and overrides what differs from a product
    of independent coordinates. The arguments of its constructor are the options of ``configs/latent/<name>.yaml``, including
    ``dim``; their annotations are the checks of these options.

    Args:
        dim: D ≥ 1, the degrees of freedom of a sample; of Concrete codes, the number of variables.
        parameters: number of outputs of the encoder that make a posterior.
        code_size: number of inputs of the decoder for a sample.

    Attributes:
        family: distribution whose samples the estimator must support, inside any ``td.Independent``.
        geometry: gives the code, the quantile map and the pictures for D = 2; None for a space without pictures.
        limits: smallest and largest value of the positive parameters of a posterior; others are clipped.
        parameterization: of the posteriors by the encoder's outputs, see ``positive``.
    """

    family: ClassVar[type[td.Distribution]]
    geometry: ClassVar[Geometry | None] = None
    limits: tuple[float, float] = LIMITS
    parameterization: Parameterization = "natural"
    _clipped: list[Tensor] | None = None

    def __init__(self, dim: int, parameters: int, code_size: int) -> None:
        super().__init__()
        self.dim, self.num_parameters, self.code_size = dim, parameters, code_size

    def constant(self, name: str, value: Tensor) -> None:
        """Sets a tensor of the prior, which moves with the module and is not part of its state."""
        self.register_buffer(name, value, persistent=False)

    def configure(self, limits: tuple[float, float], parameterization: Parameterization) -> None:
        """Sets these attributes, also of the parts of a product."""
        for space in self._spaces():
            space.limits, space.parameterization = limits, parameterization

    def _spaces(self) -> Iterator["Latent"]:
        """The latent space and its parts, if it is a product."""
        return (module for module in self.modules() if isinstance(module, Latent))

    @property
    def natural(self) -> bool:
        """Whether each parameter that the family is written with has an output of its own."""
        return self.parameterization == "natural"

    def positive(self, outputs: Tensor, unit: Tensor | float = 1.0) -> Tensor:
        """Positive parameters from outputs of the encoder, clipped to ``limits``.

        In the natural parameterization they are softplus(output). By location and precision they are unit · exp(output): then
        the outputs that narrow a posterior by a factor are the same wherever it is and however narrow, while softplus takes
        outputs as large as the concentration itself, such as 10,000.

        Args:
            outputs: any real numbers.
            unit: the parameter for outputs of zero, as a rule that of the prior. Without effect in the natural
                parameterization.
        """
        if self.natural:
            return self.limited(softplus(outputs))
        log_unit = unit.log() if isinstance(unit, Tensor) else math.log(unit)
        return self.exponential(outputs + log_unit)

    def exponential(self, logarithms: Tensor) -> Tensor:
        """Positive parameters from their logarithms, clipped to ``limits``."""
        # before exp, which overflows: the gradient of inf would be NaN
        return self._clip(logarithms, math.log(self.limits[0]), math.log(self.limits[1])).exp()

    def limited(self, values: Tensor) -> Tensor:
        """Positive parameters clipped to ``limits``."""
        return self._clip(values, *self.limits)

    def _clip(self, values: Tensor, least: float, most: float) -> Tensor:
        clipped = clip(values, least, most)
        if self._clipped is not None:
            self._clipped.append((clipped - values).sign())
        return clipped

    @contextlib.contextmanager
    def clipped_parameters(self) -> Iterator[list[Tensor]]:
        """Within the block, a list that collects, for every tensor of positive parameters, how they were clipped.

        1 where a parameter was raised to the least, −1 where it was lowered to the most, 0 elsewhere.
        """
        clipped: list[Tensor] = []
        for space in self._spaces():
            space._clipped = clipped
        try:
            yield clipped
        finally:
            for space in self._spaces():
                space._clipped = None

    @abc.abstractmethod
    def posterior(self, outputs: Tensor) -> td.Distribution:
        """q(z | x), of batch shape (B,), from the encoder's outputs (B, ``num_parameters``)."""

    @property
    @abc.abstractmethod
    def prior(self) -> td.Distribution:
        """p(z), of batch shape ()."""

    @property
    def prior_factor(self) -> Posterior:
        """The distribution of one coordinate if the prior is a product over coordinates, else the prior."""
        prior = self.prior
        return prior.base_dist if isinstance(prior, td.Independent) else prior

    def kl(self, q: Posterior) -> Tensor | None:
        """KL(q ‖ prior) of each posterior in nats, shape (B,); None without a closed form."""
        return None

    def code(self, z: Tensor) -> Tensor:
        """The decoder's input for samples z: shape (..., ``code_size``).

        By default that of the geometry; without a geometry, z in units of the prior's standard deviation about its mean.
        """
        prior = self.prior_factor
        return in_prior_units(z, prior) if self.geometry is None else self.geometry.code(z, prior)

    def mean(self, q: Posterior) -> Tensor:
        """The point of the latent space that represents a posterior, of the shape of a sample."""
        return q.mean

    def units(self, q: Posterior) -> Tensor:
        """E_q[code(z)] grouped into units, (B, units, width): a unit is a coordinate, with the inputs that describe it."""
        return self.code(q.mean).unsqueeze(-1)

    def prior_variance(self) -> Tensor:
        """The variance of the code of each unit under the prior, summed over its inputs: shape (units,) or ()."""
        return torch.ones(())

    def quantile(self, u: Tensor) -> Tensor:
        """For D = 2: maps points of the unit square, (..., 2), to the latent space; uniform points become samples of the prior.

        Raises:
            NotImplementedError: the latent space has no geometry.
        """
        if self.geometry is None:
            raise NotImplementedError(f"{type(self).__name__} has no geometry")
        return self.geometry.quantile(u, self.prior_factor)


def factorised(distribution: td.Distribution) -> td.Distribution:
    """The product of the distributions along the last batch dimension."""
    return td.Independent(distribution, 1, validate_args=False)


def pieces(outputs: Tensor, sizes: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The outputs split along their last dimension: into this many equal pieces, or into pieces of these sizes."""
    return outputs.chunk(sizes, -1) if isinstance(sizes, int) else outputs.split(list(sizes), -1)
