"""The quantile of a standard normal distribution that is truncated to an interval.

The equation Φ(x) = q Φ(a) + p Φ(b), p + q = 1, is solved in the logarithms of its two sides. Φ is symmetric, so an interval
above the mean is mirrored, and the tail probabilities keep their digits.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.special._inverse import inverse
from irg_experiments.implicit.special.normal import _log_ndtr, _ndtri_exp, limited_log_ndtr


def truncated_ndtri(a: Tensor | float, b: Tensor | float, p: Tensor | float, q: Tensor | float) -> Tensor:
    """The solution x of Φ(x) = q Φ(a) + p Φ(b), the quantile of Normal(0, 1) truncated to [a, b].

    dx/da = q φ(a)/φ(x), dx/db = p φ(b)/φ(x) and dx/dp = (Φ(b) − Φ(a))/φ(x), with the density φ.

    Args:
        a: lower end; −∞ for none.
        b: upper end > a; ∞ for none.
        p: probability, 0 < p < 1.
        q: 1 − p, given apart as it may be too small to be a difference. Its share of the derivative in p is part of dx/dp. The
            four are broadcast.

    Returns:
        x, between a and b. It has as many digits as ln Φ(x): absolute error at most 4 eps max(1, |x|). Where |x| is large,
        derivatives lose a few times eps x².

    Source: Figurnov, Mohamed & Mnih (2018), univariate case, for the derivatives.
    """
    return inverse(_truncated_ndtri, (_grad_a, _grad_b, _grad_p, _grad_q), a, b, p, q)


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
    return torch.where(mirrored, -x, x)


def _grad_a(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    return q * _density_ratio(a, x) * _correction(a, b, p, q, x)


def _grad_b(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    return p * _density_ratio(b, x) * _correction(a, b, p, q, x)


def _density_ratio(end: Tensor, x: Tensor) -> Tensor:
    """φ(end)/φ(x); 0 at infinite ends, and so are its derivatives."""
    finite = end.abs() < math.inf
    inner = torch.where(finite, end, x)
    return torch.where(finite, (0.5 * (x - inner) * (x + inner)).exp(), 0.0)


def _correction(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """1, but for the rounding of x: m(x)/(m(a) dx/da + m(b) dx/db), m = Φ/φ or, above the mean, (1 − Φ)/φ.

    In a tail the two derivatives differ from a sum of 1 by less than eps x², to which the rounding of x would change them.
    """
    tail = (a > 0) | (b < 0)
    below = torch.where(a > 0, -1.0, 1.0).to(x.dtype)

    def product(end: Tensor, share: Tensor) -> Tensor:
        return share * _mills(torch.where(tail, below * end, -1.0)) * _density_ratio(end, x)

    total = product(a, q) + product(b, p)
    return torch.where(tail, _mills(torch.where(tail, below * x, -1.0)) / torch.where(tail, total, 1.0), 1.0)


def _mills(x: Tensor) -> Tensor:
    """Φ(x)/φ(x) for x < 0."""
    return math.sqrt(0.5 * math.pi) * torch.special.erfcx(-math.sqrt(0.5) * x)


def _grad_p(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """(Φ(b) − Φ(a))/φ(x)."""
    mirrored = a > 0
    small, big = limited_log_ndtr(torch.where(mirrored, -b, a)), limited_log_ndtr(torch.where(mirrored, -a, b))
    log_mass = big + (-torch.expm1(small - big)).log()
    return (log_mass + 0.5 * x.square() + 0.5 * math.log(2 * math.pi)).exp()


def _grad_q(a: Tensor, b: Tensor, p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    return torch.zeros_like(x)
