"""The Beta distribution, from two Gamma variables in log space."""

import torch
from torch import Size, Tensor
from torch.nn.functional import logsigmoid
from torch.types import _size

from irg_experiments.implicit.distributions.gamma import log_gamma_rsample


class Beta(torch.distributions.Beta):
    """Beta(a, b), density z^(a−1) (1−z)^(b−1) / B(a, b) on (0, 1), drop-in for ``torch.distributions.Beta``.

    Args:
        concentration1: a > 0.
        concentration0: b > 0, broadcast with ``concentration1``.

    z = g_a / (g_a + g_b) with g_a ~ Gamma(a, 1) and g_b ~ Gamma(b, 1), computed as the sigmoid of log g_a − log g_b; the
    gradient is the implicit one of each log g. Draws that round to an end of the interval are returned as the nearest float
    inside it, as the support is open.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        shape = self._extended_shape(sample_shape)
        concentrations = (self.concentration1.expand(shape), self.concentration0.expand(shape))
        log_gamma1, log_gamma0 = (log_gamma_rsample(concentration, generator) for concentration in concentrations)
        difference = log_gamma1 - log_gamma0
        # exp(logsigmoid) has the slope z · sigmoid(−difference), exact where 1 − z would have rounded to 0
        sample = logsigmoid(difference).exp()
        limits = torch.finfo(sample.dtype)
        inside = sample.detach().clamp(limits.tiny, 1 - limits.eps / 2)
        return sample + (inside - sample.detach())
