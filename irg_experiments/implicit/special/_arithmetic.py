"""Arithmetic that several special functions share."""

import torch
from torch import Tensor


def horner(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    """The polynomial Σ coefficients[k] xᵏ, by Horner's method."""
    total = torch.full_like(x, coefficients[-1])
    for value in reversed(coefficients[:-1]):
        total = total * x + value
    return total


def inside(x: Tensor, low: float, high: float, domain: tuple[float, float]) -> Tensor:
    """x of the domain moved into [low, high], with the derivative 1: for formulas without a finite derivative at the ends."""
    moved = torch.where((x >= domain[0]) & (x <= domain[1]), x.clamp(low, high), x)
    return x + (moved - x).detach()


def log_ratio(u: Tensor) -> Tensor:
    """ln(u)/(u − 1) for u > 0, in a form that is smooth at u = 1 and loses no digits near it, nor do its derivatives.

    With r = (u − 1)/(u + 1), ln(u)/(u − 1) = (1 − r) Σ r²ᵏ/(2k + 1), used for 1/2 < u < 2.
    """
    near = (u - 1.25).abs() < 0.75
    r = torch.where(near, (u - 1) / (u + 1), 0.0)
    far = torch.where(near, 4.0, u)
    return torch.where(near, (1 - r) * horner(_ATANH, r * r), far.log() / (far - 1))


# 1/(2k + 1), k = 0, 1, …: atanh(r)/r by powers of r², for |r| ≤ 1/3
_ATANH = tuple(1 / (2 * k + 1) for k in range(18))


def reciprocals(a: Tensor, count: int) -> list[Tensor]:
    """1/(a + 1), …, 1/(a + count) for odd ``count``; one division gives two of them, except for the first."""
    values = [1 / (a + 1)]
    for n in range(2, count, 2):
        first, second = a + n, a + (n + 1)
        both = 1 / (first * second)
        values += [second * both, first * both]
    return values
