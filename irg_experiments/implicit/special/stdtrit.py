"""The inverse of the distribution function of Student's t.

For t ~ t(n) the variable w = n/(n + t²) has the distribution Beta(n/2, 1/2), and the tail probability of |t| is I_w(n/2, 1/2)/2
(Abramowitz & Stegun 26.7.1). With its log odds s = ln(w/(1 − w)), t = ±√n e^{−s/2}: the solution of ``betaincinv.py`` for the
probability 2 min(p, 1 − p), whose complement 2 |p − 1/2| is exact near the median. No digits are lost in the tails or at the
centre, where t is small.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.special._inverse import edges, inverse
from irg_experiments.implicit.special.betaincinv import beta_log_odds, beta_quantile_start
from irg_experiments.implicit.special.student_t import _log_peak, student_t_sample_grad


def stdtrit(df: Tensor | float, p: Tensor | float) -> Tensor:
    """The solution t of F(df, t) = p for the distribution function F of Student's t; differentiable in df and p.

    dt/d(df) is the derivative of a sample at a fixed distribution function, ``student_t_sample_grad``, and dt/dp is the
    reciprocal of the density.

    Args:
        df: degrees of freedom, df > 0; at df = ∞ the distribution is normal.
        p: probability, 0 ≤ p ≤ 1; broadcast with ``df``.

    Returns:
        t; −∞ at p = 0 and ∞ at p = 1, as ``scipy.stats.t.ppf``, where ``scipy.special.stdtrit`` gives ∞ for both; 0 at p = 1/2;
        NaN outside the domain. Relative error at most 1e-12 in float64 and 2e-7 in float32 for the given float p, for df
        between 1e-2 and 1e10 and p or 1 − p from 1e-12, or from 1e-300 for df < 100. An error of p itself is multiplied by
        p/(t density), which is large near the median and for p near 1.

    Source: Abramowitz & Stegun 26.7.1; the module's docstring describes the computation.
    """
    return inverse(_stdtrit, (_quantile_grad_df, _quantile_grad_p), df, p)


def _quantile_grad_df(df: Tensor, p: Tensor, t: Tensor) -> Tensor:
    return student_t_sample_grad(df, t)


def _quantile_grad_p(df: Tensor, p: Tensor, t: Tensor) -> Tensor:
    """1/p(t) = √(π df) Γ(df/2)/Γ((df + 1)/2) (1 + t²/df)^((df + 1)/2)."""
    finite = df.clamp(max=1e18)
    far = t.abs() > 1e15  # where the square overflows
    near, size = torch.where(far, 0.0, t), torch.where(far, t, 1.0).abs()
    power = 0.5 * (finite + 1) * (near * (near / finite)).log1p()
    power = torch.where(far, (finite + 1) * (size.log() - 0.5 * finite.log()), power)
    return (power - _log_peak(finite)).exp()


def _stdtrit(df: Tensor, p: Tensor) -> Tensor:
    half = torch.full_like(df, 0.5)
    s = beta_log_odds(0.5 * df, half, evaluate(_stdtrit_start, (df, p)), p.dtype)
    t = df.double().sqrt() * (-0.5 * s).exp()
    t = torch.where(p == 0.5, 0.0, torch.where(p < 0.5, -t, t))
    t = torch.where(df == math.inf, torch.special.ndtri(p.double()), t)
    return edges(p, df > 0, t, -math.inf, math.inf)


def _stdtrit_start(df: Tensor, p: Tensor) -> Tensor:
    """The logarithms of both probabilities of w and its approximate log odds, along a new first dimension."""
    p = p.double()
    inside = (p > 0) & (p < 1) & (p != 0.5)
    p = torch.where(inside, p, 0.25)
    log_tail, log_rest = (2 * torch.minimum(p, 1 - p)).log(), (2 * (p - 0.5).abs()).log()
    a = 0.5 * df.double()
    return torch.stack((log_tail, log_rest, beta_quantile_start(a, torch.full_like(a, 0.5), log_tail, log_rest)))
