"""The quantile of a standard normal distribution that is truncated to an interval.

The equation Φ(x) = q Φ(a) + p Φ(b), p + q = 1, is solved in the logarithms of its two sides. Φ is symmetric, so an interval
above the mean is mirrored, and the tail probabilities keep their digits.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.special._elementwise import components
from irg_experiments.implicit.special._inverse import inverse
from irg_experiments.implicit.special.normal import _log_ndtr, _ndtri_exp, limited_log_ndtr


def truncated_ndtri(a: Tensor | float, b: Tensor | float, p: Tensor | float, q: Tensor | float) -> Tensor:
    """The solution x of Φ(x) = q Φ(a) + p Φ(b), the quantile of Normal(0, 1) truncated to [a, b].

    dx/da = q φ(a)/φ(x), dx/db = p φ(b)/φ(x) and dx/dp = (Φ(b) − Φ(a))/φ(x), with the density φ.

    Args:
        a: lower end; −∞ for none.
        b: upper end > a; ∞ for none.
        p: probability, 0 < p < 1.
        q: 1 − p, as an argument of its own, so that it may be smaller than the rounding of p. The derivative in q is 0; dx/dp
            is that of p and q together. The four are broadcast.

    Returns:
        x, between a and b; NaN for a ≥ b. Absolute error at most 4 eps max(1, |x|), unless the interval is so narrow that
        ln Φ(a) and ln Φ(b) differ in few digits. Where |x| is large, derivatives lose a few times eps x².

    Source: Figurnov, Mohamed & Mnih (2018), univariate case, for the derivatives.
    """
    return inverse(_truncated_ndtri, (*components(_end_grads, 2), _grad_p, _grad_q), a, b, p, q)


def _truncated_ndtri(a: Tensor, b: Tensor, p: Tensor, q: Tensor) -> Tensor:
    return evaluate(_solution, (a, b, p, q))


def _solution(a: Tensor, b: Tensor, p: Tensor, q: Tensor) -> Tensor:
    mirrored = a > 0
    low, high = torch.where(mirrored, -b, a), torch.where(mirrored, -a, b)
    share, rest = torch.where(mirrored, q, p), torch.where(mirrored, p, q)
    small, big = _log_ndtr(low), _log_ndtr(high)
    lack = -rest * torch.expm1(small - big)
    near = lack < 0.5
    mixed = torch.where(near, 1.0, share + rest * (small - big).exp()).log()
    x = _ndtri_exp(big + torch.where(near, torch.log1p(-torch.where(near, lack, 0.0)), mixed))
    x = torch.maximum(torch.minimum(x, high), low)
    return torch.where(a < b, torch.where(mirrored, -x, x), math.nan)


def _end_grads(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """dx/da and dx/db along a new first dimension.

    In a tail both are multiplied by m(x)/(m(a) dx/da + m(b) dx/db), which is 1 but for the rounding of x; m = Φ/φ or, above the
    mean, (1 − Φ)/φ. So 1 − dx/da − dx/db, the derivative in the location, keeps its digits.
    """
    by_a, by_b = q * _density_ratio(a, x), p * _density_ratio(b, x)
    mirrored = a > 0
    tail = mirrored | (b < 0)

    def mills(end: Tensor) -> Tensor:
        # at infinite ends, which have no share, any finite value
        distance = torch.where(tail & (end.abs() < math.inf), torch.where(mirrored, end, -end), 1.0)
        return math.sqrt(0.5 * math.pi) * torch.special.erfcx(math.sqrt(0.5) * distance)

    total = torch.where(tail, mills(a) * by_a + mills(b) * by_b, 1.0)
    correction = torch.where(tail, mills(x) / total, 1.0)
    return torch.stack((by_a * correction, by_b * correction))


def _density_ratio(end: Tensor, x: Tensor) -> Tensor:
    """φ(end)/φ(x); 0 at infinite ends, and so are its derivatives."""
    finite = end.abs() < math.inf
    inner = torch.where(finite, end, x)
    return torch.where(finite, (0.5 * (x - inner) * (x + inner)).exp(), 0.0)


def _grad_p(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """(Φ(b) − Φ(a))/φ(x)."""
    mirrored = a > 0
    small, big = limited_log_ndtr(torch.where(mirrored, -b, a)), limited_log_ndtr(torch.where(mirrored, -a, b))
    log_mass = big + (-torch.expm1(small - big)).log()
    return (log_mass + 0.5 * x.square() + 0.5 * math.log(2 * math.pi)).exp()


def _grad_q(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    return torch.zeros_like(x)
