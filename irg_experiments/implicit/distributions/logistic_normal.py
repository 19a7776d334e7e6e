"""The logistic-normal distribution on the simplex."""

import torch
from torch import Generator, Size, Tensor

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_normal


class LogisticNormal(Reparameterizable, torch.distributions.LogisticNormal):
    """LogisticNormal(loc, scale) on the simplex of K + 1 parts, drop-in for ``torch.distributions.LogisticNormal``.

    Args:
        loc: mean of the K normal variables, of shape (..., K).
        scale: their standard deviations > 0, broadcast with ``loc``.

    ``rsample`` maps x = loc + scale · ε, ε ~ Normal(0, 1), to the simplex by torch's ``StickBreakingTransform``, and carries
    the explicit gradient.

    Source: Aitchison & Shen (1980).
    """

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        sample = self.loc + self.scale * standard_normal((*shape[:-1], shape[-1] - 1), self.loc, generator)
        for transform in self.transforms:
            sample = transform(sample)
        return sample
