"""The Gamma distribution, and the log-space draw that Beta and Dirichlet are built on."""

import torch
from torch import Size, Tensor
from torch.types import _size

from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_gamma
from irg_experiments.implicit.special.gamma import gamma_sample_grad, log_gamma_sample_grad
from irg_experiments.implicit.special.gammainc import gammainc


def log_gamma_rsample(concentration: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws log z for z ~ Gamma(concentration, 1), with its implicit gradient d(log z)/da; finite for every a > 0."""
    _, log_value = standard_gamma(concentration, generator)
    return implicit_sample(log_value, log_gamma_sample_grad, concentration)


class Gamma(torch.distributions.Gamma):
    """Gamma(concentration, rate), density rate^a z^(a−1) e^(−rate z) / Γ(a), drop-in for ``torch.distributions.Gamma``.

    Args:
        concentration: shape a > 0.
        rate: inverse scale > 0, broadcast with ``concentration``.

    ``rsample`` differentiates through the cumulative distribution function, z = g / rate with dg/da from
    ``special.gamma_sample_grad``. A draw below the smallest normal number of the dtype is returned as that number, so that
    it stays in the support; where the logarithm matters (a below about 0.1), draw it with ``log_gamma_rsample``.

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Marsaglia & Tsang (2000).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        value, _ = standard_gamma(concentration, generator)
        sample = implicit_sample(value, gamma_sample_grad, concentration) / self.rate
        return sample.clamp(min=torch.finfo(sample.dtype).tiny)

    def cdf(self, value: Tensor) -> Tensor:
        """P(concentration, rate · value) of ``special.gammainc``, differentiable in value, concentration and rate."""
        if self._validate_args:
            self._validate_sample(value)
        return gammainc(self.concentration, self.rate * value)
