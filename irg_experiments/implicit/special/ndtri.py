"""The standard normal quantile."""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._inverse import inverse


def ndtri(p: Tensor) -> Tensor:
    """The solution x of Φ(x) = p for the standard normal distribution function Φ, differentiable in p.

    Args:
        p: probability, 0 ≤ p ≤ 1.

    Returns:
        x; −∞ at p = 0 and ∞ at p = 1; NaN outside the domain. The derivative is √(2π) e^(x²/2). It is ``torch.special.ndtri``,
        with forward mode and for half types, and in float32 computed in float64.
    """
    return inverse(_ndtri, (_quantile_grad,), p)


def _quantile_grad(p: Tensor, x: Tensor) -> Tensor:
    return math.sqrt(2 * math.pi) * (0.5 * x.square()).exp()


def _ndtri(p: Tensor) -> Tensor:
    return torch.special.ndtri(p.double()).to(p.dtype)
