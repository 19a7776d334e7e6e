"""Products of latent spaces: codes of several geometries side by side."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.distributions as td
from torch import Generator, Size, Tensor, nn
from torch.nn.functional import pad

from irg_experiments.config.components import build, check_makes
from irg_experiments.config.latent_space import Parts
from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.reparameterized import sample_from
from irg_experiments.models.latents.base import Latent, Posterior


class Blockwise(Reparameterizable):
    """Independent distributions side by side: a sample is the vector of their flattened samples.

    Args:
        distributions: of one batch shape, with events of any shape.
        validate_args: without effect here; the distributions check their values by their own settings.

    Raises:
        ValueError: the batch shapes differ.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, distributions: Sequence[td.Distribution], validate_args: bool | None = None) -> None:
        self.distributions = tuple(distributions)
        batch_shape = self.distributions[0].batch_shape
        if any(distribution.batch_shape != batch_shape for distribution in self.distributions):
            shapes = ", ".join(str(tuple(distribution.batch_shape)) for distribution in self.distributions)
            raise ValueError(f"the distributions must have one batch shape, not {shapes}")
        self._events = [distribution.event_shape for distribution in self.distributions]
        size = sum(event.numel() for event in self._events)
        super().__init__(batch_shape, Size((size,)), validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        sample_shape = shape[: len(shape) - len(self.batch_shape) - 1]
        return join([_rsample(distribution, sample_shape, generator) for distribution in self.distributions], self._events)

    def sample(self, sample_shape: Sequence[int] = Size(), generator: Generator | None = None) -> Tensor:
        """Draw samples without a gradient."""
        with torch.no_grad():
            return join([sample_from(it, Size(sample_shape), generator) for it in self.distributions], self._events)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> "Blockwise":
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return Blockwise([it.expand(Size(batch_shape)) for it in self.distributions], validate_args=self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum of the log-densities, in nats."""
        pieces = split(value, self._events)
        return torch.stack([it.log_prob(piece) for it, piece in zip(self.distributions, pieces, strict=True)]).sum(0)


def _rsample(distribution: td.Distribution, sample_shape: Size, generator: Generator | None) -> Tensor:
    while isinstance(distribution, td.Independent):  # whose rsample takes no generator
        distribution = distribution.base_dist
    if generator is None:
        return distribution.rsample(sample_shape)
    assert isinstance(distribution, Reparameterizable)
    return distribution.rsample(sample_shape, generator)


def split(value: Tensor, events: Sequence[Size]) -> list[Tensor]:
    """The last dimension of a vector as events of these shapes, one after the other."""
    pieces = value.split([event.numel() for event in events], -1)
    return [piece.reshape(piece.shape[:-1] + event) for piece, event in zip(pieces, events, strict=True)]


def join(pieces: Sequence[Tensor], events: Sequence[Size]) -> Tensor:
    """Events of these shapes as one vector."""
    vectors = [
        piece.reshape((*piece.shape[: piece.dim() - len(event)], -1)) for piece, event in zip(pieces, events, strict=True)
    ]
    return torch.cat(vectors, -1)


class ProductLatent(Latent):
    """q = Π_i q_i, with a latent space for each i; the decoder's input is that of all of them, one after the other.

    The divergence is the sum of those of the parts if all of these have closed forms; otherwise the whole of it is estimated
    from samples. There are no pictures, as the geometry is none of those that have one.

    Args:
        parts: the latent spaces; the samples of each carry implicit gradients.

    Raises:
        ValueError: those of one do not.
    """

    family = Blockwise

    def __init__(self, parts: Sequence[Latent]) -> None:
        totals = [sum(getattr(part, name) for part in parts) for name in ("dim", "num_parameters", "code_size")]
        super().__init__(*totals)
        for part in parts:
            if not issubclass(part.family, Reparameterizable):
                raise ValueError(
                    f"{type(part).__name__} cannot be a part: its {part.family.__name__} has no implicit gradient."
                )
        self._parts = nn.ModuleList(parts)
        self._events = [part.prior.event_shape for part in parts]
        with torch.no_grad():
            examples = [part.units(part.posterior(torch.zeros(1, part.num_parameters))) for part in parts]
        self._num_units = [example.shape[-2] for example in examples]

    @property
    def parts(self) -> list[Latent]:
        """The latent spaces."""
        return list(self._parts)  # type: ignore[arg-type]

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        each = outputs.split([part.num_parameters for part in self.parts], -1)
        return Blockwise([part.posterior(own) for part, own in zip(self.parts, each, strict=True)], validate_args=False)

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return Blockwise([part.prior for part in self.parts], validate_args=False)

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        total = torch.zeros(())
        for part, own in zip(self.parts, q.distributions, strict=True):
            kl = part.kl(own)
            if kl is None:
                return None
            total = kl + total.to(kl)
        return total

    def code(self, z: Tensor) -> Tensor:
        """See ``Latent``."""
        pieces = split(z, self._events)
        return torch.cat([part.code(piece) for part, piece in zip(self.parts, pieces, strict=True)], -1)

    def mean(self, q: Posterior) -> Tensor:
        """See ``Latent``."""
        return join([part.mean(own) for part, own in zip(self.parts, q.distributions, strict=True)], self._events)

    def units(self, q: Posterior) -> Tensor:
        """See ``Latent``; units with fewer inputs than others have zeros in their place."""
        units = [part.units(own) for part, own in zip(self.parts, q.distributions, strict=True)]
        width = max(unit.shape[-1] for unit in units)
        return torch.cat([pad(unit, (0, width - unit.shape[-1])) for unit in units], -2)

    def prior_variance(self) -> Tensor:
        """See ``Latent``."""
        device = next((buffer.device for buffer in self.buffers()), None)
        each = zip(self.parts, self._num_units, strict=True)
        return torch.cat([part.prior_variance().to(device).expand(number) for part, number in each])


def product_latent(dim: Count, parts: Parts) -> ProductLatent:
    """The product of the latent spaces that option files describe.

    Args:
        dim: D, the sum of the dimensions of the parts.
        parts: ``name:dim`` each, or a mapping with further options.

    Raises:
        ValueError: the dimensions do not fit, or a part cannot be one.
        UserError: a part is no latent space, or has an option with a value that it cannot have.
    """
    made = []
    for number, part in enumerate(parts):
        section = f"latent.parts[{number}]"
        check_makes(part, section, Latent)
        made.append(build(part, section))
    product = ProductLatent(made)
    if product.dim != dim:
        raise ValueError(f"latent.dim must be {product.dim}, the dimensions of latent.parts together, or null, not {dim}.")
    return product
