"""What every distribution of the package shares."""

import torch
from torch import Size, Tensor
from torch.types import _size


class Reparameterizable(torch.distributions.Distribution):
    """A distribution whose ``rsample`` takes a ``torch.Generator``: the first base of each class here.

    A subclass gives ``rsample(sample_shape, generator)``; ``sample`` is the same draw without a gradient.
    """

    has_rsample = True

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples of shape ``sample_shape + batch_shape + event_shape`` that carry their gradient."""
        raise NotImplementedError

    def sample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """The same draw as ``rsample``, without its gradient."""
        with torch.no_grad():  # and detached, as forward mode differentiates here too
            return self.rsample(sample_shape, generator).detach()


def survival_function(distribution: torch.distributions.Distribution, value: Tensor) -> Tensor:
    """P(Z > value): by the distribution's own ``survival_function``, which keeps the upper tail's digits, else 1 − cdf."""
    own = getattr(distribution, "survival_function", None)
    return own(value) if own is not None else 1 - distribution.cdf(value)
