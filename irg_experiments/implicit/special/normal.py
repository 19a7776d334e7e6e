"""The standard normal distribution function, its logarithm and the inverse of that, accurate in both tails.

Φ(x) = erfc(−x/√2)/2; torch's ``ndtr`` is (1 + erf(x/√2))/2, which has no digits left at x = −8. In the lower tail
ln Φ(x) = ln(erfcx(−x/√2)/2) − x²/2, which does not underflow.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner
from irg_experiments.implicit.special._elementwise import differentiable, elementwise
from irg_experiments.implicit.special._inverse import halley

_ROOT_HALF = math.sqrt(0.5)
# below these values of x and of ln Φ(x) the formulas for the tail are used, and the asymptotic series of Φ below the third
_TAIL, _LOG_TAIL, _SERIES_TAIL = -1.0, -5.0, -12.0
# (−1)^n (2n + 1)!!: 1 + x Φ(x)/φ(x) = Σ a_n x^(−2n−2) as x → −∞ (DLMF 7.12.1)
MILLS_SERIES = tuple((-1.0) ** n * math.prod(range(1, 2 * n + 2, 2)) for n in range(16))
# steps of Halley's method in the tail
_STEPS = {torch.float32: 1, torch.float64: 2}


def ndtr(x: Tensor) -> Tensor:
    """The standard normal distribution function Φ(x) = erfc(−x/√2)/2; differentiable, accurate in both tails."""
    if x.dtype in (torch.float16, torch.bfloat16):
        return ndtr(x.float()).to(x.dtype)
    return 0.5 * torch.special.erfc(-_ROOT_HALF * x)


def log_ndtr(x: Tensor) -> Tensor:
    """ln Φ(x) for real x; its derivative φ(x)/Φ(x) has the relative accuracy of the dtype in both tails.

    The relative error of the second and third derivative is at most 1e-9 in float64.
    """
    return elementwise(_log_ndtr, (_hazard,), x)


def limited_log_ndtr(x: Tensor) -> Tensor:
    """ln Φ(x) with its limits at ±∞, where the gradient is 0."""
    finite = x.isfinite()
    return torch.where(finite, log_ndtr(torch.where(finite, x, 0.0)), torch.where(x > 0, 0.0, -math.inf))


def ndtri_exp(y: Tensor) -> Tensor:
    """The solution x of ln Φ(x) = y for y ≤ 0; its derivative is Φ(x)/φ(x). NaN for y > 0."""
    return elementwise(_ndtri_exp, (_ndtri_exp_slope,), y)


def _log_ndtr(x: Tensor) -> Tensor:
    far = x < _TAIL
    y = _ROOT_HALF * torch.where(far, -x, 1.0)
    near = torch.log1p(-0.5 * torch.special.erfc(_ROOT_HALF * torch.where(far, 0.0, x)))
    return torch.where(far, (0.5 * torch.special.erfcx(y)).log() - y.square(), near)


def _log_ndtr_slope(x: Tensor) -> Tensor:
    """φ(x)/Φ(x)."""
    far, near = x < _TAIL, torch.where(x < _TAIL, 0.0, x)
    tail = math.sqrt(2 / math.pi) / torch.special.erfcx(_ROOT_HALF * torch.where(far, -x, 1.0))
    centre = (-0.5 * near.square()).exp() / (math.sqrt(2 * math.pi) * ndtr(near))
    return torch.where(far, tail, centre)


def _ndtri_exp(y: Tensor) -> Tensor:
    """``torch.special.ndtri``; in the far tail Newton's step for the leading terms of ln Φ, then Halley's for ln Φ itself."""
    above = y > -math.log(2)
    centre = torch.special.ndtri(torch.where(above, -torch.expm1(y), y.exp()))
    far = y.isfinite() & (y < _LOG_TAIL)
    y = torch.where(far, y, _LOG_TAIL)
    x = -(-2 * y - (-4 * math.pi * y).log()).sqrt()
    hazard = -x - 1 / x  # φ(x)/Φ(x) from the first two terms of its continued fraction
    x = x - (-0.5 * x.square() - hazard.log() - 0.5 * math.log(2 * math.pi) - y) / hazard
    for _ in range(_STEPS[y.dtype]):
        scaled = torch.special.erfcx(-_ROOT_HALF * x)
        hazard = math.sqrt(2 / math.pi) / scaled
        x = x + halley((y - (0.5 * scaled).log() + 0.5 * x.square()) / hazard, -x - hazard)
    return torch.where(far, x, torch.where(above, -centre, centre))


def _ndtri_exp_slope(y: Tensor) -> Tensor:
    return 1 / _hazard(ndtri_exp(y))


def _hazard_slope(x: Tensor) -> Tensor:
    """The derivative −h (x + h) of h(x) = φ(x)/Φ(x), of operations whose derivatives keep their digits in both tails."""
    series = x < _SERIES_TAIL
    square = torch.where(series, x, _SERIES_TAIL).pow(-2)
    rest = horner(MILLS_SERIES, square)  # x² (1 + x/h)
    near = torch.where(series, _SERIES_TAIL, x)
    h = _log_ndtr_slope(near)
    centre = torch.where(h > 0, -h * (torch.where(h > 0, near, 0.0) + h), 0.0)  # 0 as x → ∞
    return torch.where(series, -rest / (1 - square * rest).square(), centre)


# φ(x)/Φ(x), the derivative of ln Φ
_hazard = differentiable(_log_ndtr_slope, (_hazard_slope,))
