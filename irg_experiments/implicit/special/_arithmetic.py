"""Arithmetic that several special functions share."""

import torch
from torch import Tensor


def horner(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    """The polynomial Σ coefficients[k] xᵏ, by Horner's method."""
    total = torch.full_like(x, coefficients[-1])
    for value in reversed(coefficients[:-1]):
        total = total * x + value
    return total


def reciprocals(a: Tensor, count: int) -> list[Tensor]:
    """1/(a + 1), …, 1/(a + count) for odd ``count``; one division gives two of them, except for the first."""
    values = [1 / (a + 1)]
    for n in range(2, count, 2):
        first, second = a + n, a + (n + 1)
        both = 1 / (first * second)
        values += [second * both, first * both]
    return values
