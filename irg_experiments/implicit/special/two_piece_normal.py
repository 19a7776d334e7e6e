"""The derivative of a sample of the two-piece normal distribution by its skewness."""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._elementwise import elementwise
from irg_experiments.implicit.special.normal import _hazard, _hazard_slope


def two_piece_normal_sample_grad(skewness: Tensor | float, x: Tensor | float) -> Tensor:
    """The derivative dx/dγ > 0 of a sample x of the two-piece normal distribution of location 0 and scale 1, at fixed F(x).

    |x|/γ + 2 M(t)/(1 + γ²), with t = −γ x for x < 0 and x/γ for x ≥ 0 and the ratio of Mills M(t) = Φ(−t)/φ(t).

    Args:
        skewness: γ > 0.
        x: the sample, any real number; broadcast with ``skewness``.

    Returns:
        The derivative, differentiable in both arguments, twice with a relative error of 1e-9 in float64. Relative error at
        most 2e-15 in float64 and 1e-6 in float32.

    Source: Figurnov, Mohamed & Mnih (2018), univariate case: −(∂F/∂γ)/p.
    """
    return elementwise(_two_piece_normal_sample_grad, (_sample_grad_by_skewness, _sample_grad_by_x), skewness, x)


def _mills(t: Tensor) -> Tensor:
    return math.sqrt(0.5 * math.pi) * torch.special.erfcx(math.sqrt(0.5) * t)


def _mills_and_slope(t: Tensor) -> tuple[Tensor, Tensor]:
    """M and M′ = t M − 1, from the hazard 1/M(t) at −t, whose derivatives keep their digits."""
    mills = 1 / _hazard(-t)
    return mills, _hazard_slope(-t) * mills.square()


def _parts(gamma: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return |x|, k and t = k |x|."""
    k = torch.where(x < 0, gamma, 1 / gamma)
    return x.abs(), k, k * x.abs()


def _two_piece_normal_sample_grad(gamma: Tensor, x: Tensor) -> Tensor:
    size, _, t = _parts(gamma, x)
    return size / gamma + 2 * _mills(t) / (1 + gamma.square())


def _sample_grad_by_skewness(gamma: Tensor, x: Tensor) -> Tensor:
    size, _, t = _parts(gamma, x)
    weight = 2 / (1 + gamma.square())
    mills, slope = _mills_and_slope(t)
    turn = torch.where(x < 0, t, -t) / gamma  # dt/dγ
    return -size / gamma.square() + weight * slope * turn - gamma * weight.square() * mills


def _sample_grad_by_x(gamma: Tensor, x: Tensor) -> Tensor:
    _, k, t = _parts(gamma, x)
    slope = 1 / gamma + 2 / (1 + gamma.square()) * _mills_and_slope(t)[1] * k
    return torch.where(x < 0, -slope, slope)
