"""Differences of ln Γ and of ψ between two arguments, without the cancellation of two large numbers."""

import torch
from torch import Tensor

from irg_experiments.implicit.special._beta_coefficients import BETA_RULES
from irg_experiments.implicit.special.beta import _digamma_difference, _stirling

# from here on the asymptotic series have full accuracy in float64
_LARGE = 20.0
_SERIES = BETA_RULES[torch.float64]


def log_gamma_ratio(a: Tensor, d: Tensor) -> Tensor:
    """ln(Γ(a + d)/Γ(a)), differentiable in both arguments by autograd.

    Args:
        a: a > 0, float64.
        d: d ≥ 0, float64, of the same shape.

    Returns:
        The logarithm. The error is a few units of rounding times the larger of its size and d, for every a.

    Source: DLMF 5.11.1.
    """
    large = a > _LARGE
    x, small = torch.where(large, a, _LARGE), torch.where(large, 1.0, a)
    far = (x - 0.5) * torch.log1p(d / x) + d * (x + d).log() - d + _stirling(_SERIES, x + d) - _stirling(_SERIES, x)
    return torch.where(large, far, (small + d).lgamma() - small.lgamma())


def digamma_difference(a: Tensor, d: Tensor) -> Tensor:
    """ψ(a + d) − ψ(a), with a small relative error also where d is much smaller than a; the arguments are as above.

    Source: DLMF 5.11.2.
    """
    large = a > _LARGE
    x, small = torch.where(large, a, _LARGE), torch.where(large, 1.0, a)
    return torch.where(large, _digamma_difference(_SERIES, x, d, x + d), (small + d).digamma() - small.digamma())
