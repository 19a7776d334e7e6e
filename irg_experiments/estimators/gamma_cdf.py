"""The distribution function of Gamma(a, 1) as the finite-difference methods need it: from log g, and by differences."""

import torch
from torch import Tensor

from irg_experiments.implicit.special.gammainc import gammainc, gammaincc

# below it P(a, g) is gᵃ/Γ(a + 1) to the last digit of every dtype
_TINY = 1e-20


def probability_difference(a: Tensor, log_g: Tensor, b: Tensor, log_h: Tensor) -> Tensor:
    """P(b, h) − P(a, g), as minus the difference of 1 − P where g is in the upper half: each tail keeps its digits."""
    lower, upper = _tails(a, log_g)
    lower_b, upper_b = _tails(b, log_h)
    return torch.where(lower < upper, lower_b - lower, upper - upper_b)


def density_of_log(a: Tensor, log_g: Tensor) -> Tensor:
    """The density of log g: gᵃ e^−g / Γ(a)."""
    return (a * log_g - log_g.exp() - torch.lgamma(a)).exp()


def _tails(a: Tensor, log_g: Tensor) -> tuple[Tensor, Tensor]:
    """P(a, g) and 1 − P(a, g), also where g has underflowed: at a = 1e-3 typical values are near e^−1000."""
    g = log_g.exp()
    log_power = a * log_g - torch.lgamma(a + 1)
    tiny = g < _TINY
    return torch.where(tiny, log_power.exp(), gammainc(a, g)), torch.where(tiny, -torch.expm1(log_power), gammaincc(a, g))
