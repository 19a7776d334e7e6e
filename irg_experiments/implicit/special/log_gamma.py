"""The distribution of y = ln z for z ~ Gamma(a, 1), as functions of y.

At small shapes z underflows and only its logarithm can be represented: typical samples at a = 1e-3 are near e^−1000.
"""

import torch
from torch import Tensor

from irg_experiments.implicit.special._elementwise import as_tensors
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc

# smaller z have P(a, z) = zᵃ/Γ(a + 1) up to rounding in every dtype
_TINY = 1e-20


def log_gamma_density(a: Tensor | float, y: Tensor | float) -> Tensor:
    """The density of y = ln z for z ~ Gamma(a, 1): exp(a y − e^y) / Γ(a).

    Args:
        a: shape parameter, a > 0.
        y: any real number; broadcast with ``a``.

    Returns:
        The density, differentiable in both arguments. The relative error is a few units of rounding times the largest of
        a |y|, e^y and ln Γ(a): at most 2e-12 in float64 and 5e-4 in float32 for shapes up to 1000.
    """
    a, y = as_tensors(a, y)
    return (a * y - y.exp() - torch.lgamma(a)).exp()


def log_gamma_cdf_difference(a: Tensor | float, y: Tensor | float, b: Tensor | float, x: Tensor | float) -> Tensor:
    """F(b, x) − F(a, y) for the distribution function F(a, y) = P(a, e^y) of y = ln z, z ~ Gamma(a, 1).

    The difference of F is taken in the lower half of the distribution and that of 1 − F in the upper half, so that no digits
    cancel in either tail.

    Args:
        a: shape parameter of the second term, a > 0.
        y: argument of the second term, any real number.
        b: shape parameter of the first term, b > 0.
        x: argument of the first term, any real number. The four are broadcast.

    Returns:
        The difference. The absolute error for shapes from 1e-3 to 1000 is at most 1e-14 in float64 and 4e-7 in float32; in
        float64 it is also at most 1e-11 times the larger of the two tail probabilities.
    """
    a, y, b, x = as_tensors(a, y, b, x)
    lower_a, upper_a = _tails(a, y)
    lower_b, upper_b = _tails(b, x)
    return torch.where(lower_a < upper_a, lower_b - lower_a, upper_a - upper_b)


def _tails(a: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """F(a, y) and 1 − F(a, y), also where e^y underflows."""
    z = y.exp()
    log_power = a * y - torch.lgamma(a + 1)
    tiny = z < _TINY
    return torch.where(tiny, log_power.exp(), gammainc(a, z)), torch.where(tiny, -torch.expm1(log_power), gammaincc(a, z))
