"""Angles of the von Mises distribution."""

import math

import torch
from torch import Generator, Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.sampling._rejection import REJECTED, Sampler, redraw


def standard_von_mises(concentration: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw θ ~ von Mises(0, concentration) in radians, within [−π, π].

    Rejection from the wrapped Cauchy distribution (Best & Fisher 1979): tan(θ/2) = s tan(πu/2) with u uniform on (−1, 1). With
    w = sin²(θ/2) the ratio of the densities is e^(−2κw) (s² + (1 − s²) w), up to a constant. Its maximum is at
    w* = 1/(1 + 2κ + R), R = √(1 + 4κ²). The choice s² = 1/(2κ + R) minimizes the rejection rate, which is at most one in three.
    In these variables nothing cancels, from κ = 0 to the normal limit.

    Args:
        concentration: κ ≥ 0; one independent draw per element.
        generator: source of randomness; the global one of the device when None.

    Returns:
        θ, of the shape and dtype of ``concentration``; NaN where the concentration is. float16 and bfloat16 are
        drawn in float32.
    """
    return _von_mises(concentration, generator)


def _best_fisher(concentration: Tensor, generator: Generator | None, _: int) -> Tensor:
    """One proposal per element."""
    noise = torch.empty((2, len(concentration)), dtype=concentration.dtype, device=concentration.device)
    return evaluate(_best_fisher_proposal, (concentration, *noise.uniform_(generator=generator).unbind()))


def _repair(draws: Tensor, concentration: Tensor, generator: Generator | None, setting: int) -> Tensor:
    return redraw(draws, concentration, lambda waiting: _best_fisher(waiting, generator, setting))


def _best_fisher_proposal(concentration: Tensor, position: Tensor, uniform: Tensor) -> Tensor:
    """θ, or REJECTED; see ``standard_von_mises``. NaN is accepted, so that the loop of redraws ends."""
    double = 2 * concentration
    root = torch.hypot(double, torch.ones_like(double))
    square = 1 / (double + root)  # s²
    best = 1 / (1 + double + root)  # w*
    tangent = square.sqrt() * (math.pi * (position - 0.5)).tan()
    cosine = 1 / (1 + tangent * tangent)  # cos²(θ/2)
    sine = tangent * tangent * cosine  # w = sin²(θ/2)
    # s² + (1 − s²) w over its value at w*, which is (1 − s²)/(2κ) = (1 + 2κ/(R + 1)) s²
    gain = (cosine + sine / square) / (1 + double / (root + 1))
    log_chance = gain.log() - double * (sine - best)
    return torch.where((-uniform).log1p() > log_chance, REJECTED, 2 * tangent.atan())


_von_mises = Sampler("von_mises", _best_fisher, _repair)
