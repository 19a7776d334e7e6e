"""The logistic-normal distribution on the simplex."""

import torch
from torch import Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_normal


class LogisticNormal(Reparameterizable, torch.distributions.LogisticNormal):
    """LogisticNormal(loc, scale) on the simplex of K + 1 parts, drop-in for ``torch.distributions.LogisticNormal``.

    Args:
        loc: mean of the K normal variables, of shape (..., K).
        scale: their standard deviations > 0, broadcast with ``loc``.

    x = loc + scale · ε, ε ~ Normal(0, 1), is carried to the simplex by torch's ``StickBreakingTransform``; the gradient is
    the explicit one.

    Source: Aitchison & Shen (1980).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their gradient; see the class."""
        shape = Size(sample_shape) + self.base_dist.batch_shape + self.base_dist.event_shape
        sample = self.loc + self.scale * standard_normal(shape, self.loc, generator)
        for transform in self.transforms:
            sample = transform(sample)
        return sample
