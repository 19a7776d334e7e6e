"""The von Mises distribution on the circle."""

import math
from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Uniform, constraints
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_von_mises
from irg_experiments.implicit.special.von_mises import circular_variance, von_mises_cdf, von_mises_sample_grad
from irg_experiments.implicit.special.von_mises_fisher import von_mises_fisher_log_peak, von_mises_fisher_negentropy
from irg_experiments.implicit.special.von_mises_icdf import von_mises_icdf


class VonMises(Reparameterizable, torch.distributions.VonMises):
    """VonMises(loc, concentration), density e^(κ cos(z − loc)) / (2π I0(κ)) on the circle, drop-in for ``torch.distributions``.

    Args:
        loc: mean direction in radians, any real number; taken modulo 2π.
        concentration: κ ≥ 0, broadcast with ``loc``. The distribution is uniform at κ = 0 and approaches Normal(loc, 1/√κ) as
            κ → ∞.

    Samples are in [−π, π]; the other methods take any angle. ``rsample`` draws θ ~ VonMises(0, κ) by rejection, with the
    implicit derivative dθ/dκ from ``special.von_mises_sample_grad``; the derivative in loc is 1. ``mean`` is the mean
    direction, and ``variance`` the circular variance 1 − I1(κ)/I0(κ).

    Source: Figurnov, Mohamed & Mnih (2018); sampler by Best & Fisher (1979).
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.nonnegative}

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return self._expand(batch_shape, _instance)  # torch's calls the constructor, which a subclass may have changed

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        concentration = self.concentration.expand(shape)
        centred = implicit_sample(standard_von_mises(concentration, generator), von_mises_sample_grad, concentration)
        return wrapped(self.loc + centred)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats; uses cos x − 1 = −2 sin²(x/2), which stays accurate for large κ."""
        half = (0.5 * (self._validated(value) - self.loc)).sin()
        return von_mises_fisher_log_peak(self.concentration, 2) - 2 * self.concentration * half.square()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability between loc − π and value, by ``special.von_mises_cdf``; 1/2 at loc.

        Adding a full turn to the value adds 1 to the result, so values outside [loc − π, loc + π] map outside [0, 1].
        """
        return von_mises_cdf(self._validated(value) - self.loc, self.concentration)

    def survival_function(self, value: Tensor) -> Tensor:
        """The probability between value and loc + π."""
        return self.cdf(2 * self.loc - value)

    def icdf(self, value: Tensor) -> Tensor:
        """The angle in [loc − π, loc + π] at probability ``value``, by ``special.von_mises_icdf``; the inverse of ``cdf``.

        Differentiable in the value and both parameters. ``rsample_from`` brings it into [−π, π].
        """
        return self.loc + von_mises_icdf(value, self.concentration)

    def _saturated(self, value: Tensor) -> Tensor:
        return wrapped(value)

    @property
    def variance(self) -> Tensor:
        """The circular variance 1 − I1(κ)/I0(κ)."""
        return circular_variance(self.concentration)

    def entropy(self) -> Tensor:
        """ln(2π I0(κ)) − κ I1(κ)/I0(κ), in nats."""
        return math.log(2 * math.pi) - von_mises_fisher_negentropy(self.concentration, 2)


def wrapped(angle: Tensor) -> Tensor:
    """Add full turns to bring the angle into [−π, π]; the gradient passes unchanged."""
    turns = (angle.detach() / (2 * math.pi)).round()
    return (angle - 2 * math.pi * turns).clamp(-math.pi, math.pi)


@torch.distributions.register_kl(VonMises, VonMises)
def kl_von_mises_von_mises(p: VonMises, q: VonMises) -> Tensor:
    """KL(p ‖ q) = ln(I0(κ_q)/I0(κ_p)) + A(κ_p) (κ_p − κ_q cos(loc_p − loc_q)), A = I1/I0, in nats."""
    variance, half = p.variance, (0.5 * (p.loc - q.loc)).sin()
    peaks = von_mises_fisher_log_peak(p.concentration, 2) - von_mises_fisher_log_peak(q.concentration, 2)
    # 1 − A cos Δ = V + 2 (1 − V) sin²(Δ/2) with V = 1 − A avoids the cancellation
    misfit = variance + 2 * (1 - variance) * half.square()
    return peaks - p.concentration * variance + q.concentration * misfit


@torch.distributions.register_kl(VonMises, Uniform)
def kl_von_mises_uniform(p: VonMises, q: Uniform) -> Tensor:
    """KL(p ‖ q) = ln(high − low) − H(p) in nats if q covers the circle, [−π, π]; infinite if it does not."""
    # the rounded bound may be slightly below π
    slack = 4 * torch.finfo(q.low.dtype).eps
    covers = (q.low <= -math.pi + slack) & (q.high >= math.pi - slack)
    return torch.where(covers, (q.high - q.low).log() - p.entropy(), math.inf)
