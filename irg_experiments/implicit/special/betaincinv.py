"""The inverse of the regularized incomplete beta function: quantiles of Beta(a, b) and of its log odds.

With the log odds s = ln(x/(1 − x)) the equation is ln I_x(a, b) = ln p, or ln I_{1−x}(b, a) = ln(1 − p): the one whose argument
is on the lower side of ``beta.py``. There

    I = P B,    P = xᵃ (1 − x)ᵇ / B(a, b),    d ln I/ds = 1/B,

where the body B, a short sum and an integral of positive terms, and P, the density of s, are those of ``beta.py``. Neither ln I
nor its slope underflows, and no digits are lost near 0 or 1. The density of s is log-concave, so ln I is concave in s, and
Newton's method for it converges from everywhere; in both tails ln I is close to a line. Each step is Halley's. All but the last
use the rule of ``beta.py`` for float32. The start is

    for similar a and b, from the signed root r of the deviance, r²/2 = ln P(mode) − ln P(s), which is close to normal: z = r +
        ln(v/r)/r with the scaled slope v (Barndorff-Nielsen 1986),
    for different ones, from −(a + (b − 1)/2) ln x ~ Gamma(b), b < a (Wise 1950), with the start of ``gammaincinv.py``,
    for a, b < 1, the leading term of a tail.

Four steps reach the accuracy of float64, three that of float32. The number of operations is the same for every element.

Source: DLMF 8.17; Cran, Martin & Thomas (1977, AS 109) iterate in x.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.special._beta_coefficients import BETA_RULES, BetaRule
from irg_experiments.implicit.special._elementwise import components
from irg_experiments.implicit.special._inverse import edges, halley, inverse, iterate, log_both, normal_quantile
from irg_experiments.implicit.special.beta import (
    _log_ratio,
    _lower_side,
    _recurrence,
    _stirling,
    _tail_integrals,
    beta_sample_grad,
)
from irg_experiments.implicit.special.gammaincinv import gamma_quantile_start

_COARSE_STEPS = 3
# the deviance is used for min(a, b) above the first and max(a, b)/min(a, b) below the second
_DEVIANCE_SHAPE, _DEVIANCE_RATIO = 0.5, 8.0
# below this x, dx/da is extrapolated
_TINY = 1e-30


def betaincinv(a: Tensor | float, b: Tensor | float, p: Tensor | float) -> Tensor:
    """The solution x of I_x(a, b) = p, the quantile of Beta(a, b); differentiable in a, b and p.

    dx/da and dx/db are the derivatives of a sample at a fixed distribution function, ``beta_sample_grad``, and dx/dp is the
    reciprocal of the density.

    Args:
        a: first shape parameter, a > 0.
        b: second shape parameter, b > 0.
        p: probability, 0 ≤ p ≤ 1; the three are broadcast.

    Returns:
        x in [0, 1]; 0 at p = 0 and 1 at p = 1; NaN outside the domain. Relative error at most 1e-12 in float64 and 2e-7 in
        float32 for the given float p, for a and b between 1e-2 and 1e3 and p or 1 − p from 1e-300. An error of p itself is
        multiplied by p/(x density). If x is so close to 1 that digits of 1 − x are lost, use ``logit_betaincinv``, or
        ``betaincinv(b, a, q)`` for 1 − x, with q = 1 − p.

    Source: DLMF 8.17; the module's docstring describes the computation.
    """
    return inverse(_betaincinv, (*components(_quantile_grads, 2), _quantile_grad_p), a, b, p)


def logit_betaincinv(a: Tensor | float, b: Tensor | float, p: Tensor | float) -> Tensor:
    """The log odds s = ln(x/(1 − x)) of the solution of I_x(a, b) = p; it keeps the digits of x and of 1 − x.

    Args:
        a: first shape parameter, a > 0.
        b: second shape parameter, b > 0.
        p: probability, 0 ≤ p ≤ 1; the three are broadcast.

    Returns:
        s; −∞ at p = 0 and ∞ at p = 1; NaN outside the domain. The error in float64 is at most 1e-12, relative to s for
        |s| > 1, in the range of ``betaincinv``. The derivatives are those of ``betaincinv``, divided by x (1 − x).
    """
    return inverse(_logit_betaincinv, (*components(_logit_grads, 2), _logit_grad_p), a, b, p)


def log_fdtri(df1: Tensor | float, df2: Tensor | float, p: Tensor | float) -> Tensor:
    """The logarithm of the quantile z of the F distribution, ln(df2/df1) + ``logit_betaincinv(df1/2, df2/2, p)``.

    Args:
        df1: degrees of freedom of the numerator, df1 > 0.
        df2: degrees of freedom of the denominator, df2 > 0.
        p: probability, 0 ≤ p ≤ 1; the three are broadcast.

    Returns:
        ln z; −∞ at p = 0 and ∞ at p = 1; NaN outside the domain. The error in float64 is at most 2e-12, relative to ln z for
        |ln z| > 1. Each degree of freedom has one derivative, the difference of those of both terms.

    Source: DLMF 8.17; Abramowitz & Stegun 26.6.2.
    """
    return inverse(_log_fdtri, (*components(_log_fdtri_grads, 2), _log_fdtri_grad_p), df1, df2, p)


def _quantile_grads(a: Tensor, b: Tensor, p: Tensor, x: Tensor) -> Tensor:
    return torch.stack(beta_sample_grad(a, b, x))


def _quantile_grad_p(a: Tensor, b: Tensor, p: Tensor, x: Tensor) -> Tensor:
    """x (1 − x)/P."""
    inner = torch.where((x > 0) & (x < 1), x, 0.5)
    parts = inner, 1 - inner, inner.log(), (-inner).log1p()
    exponent = parts[2] + parts[3] - _log_density(BETA_RULES[a.dtype], a, b, *parts)
    # at the ends the powers of x and 1 − x remain
    at_zero, at_one = (torch.where(c == 1, 0.0, (c.detach() - 1) * math.inf).exp() for c in (a, b))
    return torch.where(x == 0, at_zero, torch.where(x == 1, at_one, exponent.exp()))


def _logit_grad_p(a: Tensor, b: Tensor, p: Tensor, s: Tensor) -> Tensor:
    """1/P."""
    limit = 0.5 * torch.finfo(s.dtype).max
    return (-_log_density(BETA_RULES[a.dtype], a, b, *_both(s.clamp(-limit, limit)))).exp()


def _logit_grads(a: Tensor, b: Tensor, p: Tensor, s: Tensor) -> Tensor:
    """ds/da and ds/db, from the smaller of x and 1 − x."""
    upper, size = s > 0, s.abs()
    first, second = torch.where(upper, b, a), torch.where(upper, a, b)
    x = size.neg().exp() / (1 + size.neg().exp())
    held = x.clamp(min=_TINY)
    own, other = (grad / (held * (1 - held)) for grad in beta_sample_grad(first, second, held))
    # I → xᵃ/(a B(a, b)): a further unit of s adds 1/a to the derivative
    own = own + (size + math.log(_TINY)).clamp(min=0.0) / first
    return torch.stack((torch.where(upper, -other, own), torch.where(upper, -own, other)))


def _log_fdtri_grads(df1: Tensor, df2: Tensor, p: Tensor, log_z: Tensor) -> Tensor:
    by_a, by_b = _logit_grads(0.5 * df1, 0.5 * df2, p, log_z + (df1 / df2).log()).unbind()
    return torch.stack((0.5 * by_a - 1 / df1, 0.5 * by_b + 1 / df2))


def _log_fdtri_grad_p(df1: Tensor, df2: Tensor, p: Tensor, log_z: Tensor) -> Tensor:
    return _logit_grad_p(0.5 * df1, 0.5 * df2, p, log_z + (df1 / df2).log())


def _betaincinv(a: Tensor, b: Tensor, p: Tensor) -> Tensor:
    s = beta_log_odds(a, b, evaluate(_betaincinv_start, (a, b, p)), p.dtype)
    small = (-s.abs()).exp()
    x = torch.where(s > 0, 1.0, small) / (1 + small)
    x = torch.where(a == math.inf, 1.0, torch.where(b == math.inf, 0.0, x))  # as in SciPy
    return edges(p, (a > 0) & (b > 0) & ((a < math.inf) | (b < math.inf)), x, 0.0, 1.0)


def _logit_betaincinv(a: Tensor, b: Tensor, p: Tensor) -> Tensor:
    s = beta_log_odds(a, b, evaluate(_betaincinv_start, (a, b, p)), p.dtype)
    return edges(p, (a > 0) & (b > 0) & (a + b < math.inf), s, -math.inf, math.inf)


def _log_fdtri(df1: Tensor, df2: Tensor, p: Tensor) -> Tensor:
    return _logit_betaincinv(0.5 * df1, 0.5 * df2, p) + (df2 / df1).log()


def beta_log_odds(a: Tensor, b: Tensor, start: Tensor, dtype: torch.dtype) -> Tensor:
    """The log odds in float64 from ln p, ln(1 − p) and an approximate s, stacked; as accurate as ``dtype``."""
    log_p, log_q, s = start.unbind()
    arguments = a.double(), b.double(), log_p, log_q
    s = iterate(_betaincinv_coarse_step, _COARSE_STEPS, arguments, s)
    return s if dtype == torch.float32 else iterate(_betaincinv_fine_step, 1, arguments, s)


def _betaincinv_start(a: Tensor, b: Tensor, p: Tensor) -> Tensor:
    log_p, log_q = log_both(p)
    return torch.stack((log_p, log_q, beta_quantile_start(a.double(), b.double(), log_p, log_q)))


def beta_quantile_start(a: Tensor, b: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    """Approximate log odds of the quantile."""
    small, large = torch.minimum(a, b), torch.maximum(a, b)
    similar = (small > _DEVIANCE_SHAPE) & (large < _DEVIANCE_RATIO * small)
    other = torch.where(large > 1, _gamma_start(a, b, log_p, log_q), _tail_start(a, b, log_p, log_q))
    return torch.where(similar, _deviance_start(a, b, log_p, log_q), other)


def _deviance_start(a: Tensor, b: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    z, width = normal_quantile(log_p, log_q), (1 / a + 1 / b).sqrt()
    sign, size = torch.where(z < 0, -1.0, 1.0), z.abs().clamp(min=1e-3)
    mode = a.log() - b.log()
    x, other, log_x, log_other = _both(mode)
    peak = a * log_x + b * log_other
    s = mode + z * width
    for _ in range(4):  # Newton's method for r = z; with the r of the last round, ln(v/r)/r is subtracted
        x, other, log_x, log_other = _both(s)
        r = (2 * (peak - a * log_x - b * log_other).clamp(min=1e-12)).sqrt()
        slope = (b * x - a * other).abs().clamp(min=1e-12)
        s = s + sign * (size - r) * r / slope
    correction = (slope * width / r).clamp(1e-3, 1e3).log() / slope
    return torch.where(z.abs() < 0.2, mode + z * width, s - sign * correction)


def _gamma_start(a: Tensor, b: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    turned = a > b
    small, large = torch.where(turned, b, a), torch.where(turned, a, b)
    log_lower, log_upper = torch.where(turned, log_q, log_p), torch.where(turned, log_p, log_q)
    # −ln(1 − x) of the variable near 0
    log_size = gamma_quantile_start(small, log_lower, log_upper) - (large + 0.5 * (small - 1)).log()
    size = log_size.exp().clamp(min=1e-5)
    s = torch.where(log_size > math.log(1e-5), size + (-torch.expm1(-size)).log(), log_size)
    return torch.where(turned, -s, s)


def _tail_start(a: Tensor, b: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    left, right = (log_p + a.log() + log_beta) / a, -(log_q + b.log() + log_beta) / b
    return torch.where((left < 0) & (-left >= right), left, right.clamp(min=0.0))


def _betaincinv_coarse_step(a: Tensor, b: Tensor, log_p: Tensor, log_q: Tensor, s: Tensor) -> Tensor:
    return _step(BETA_RULES[torch.float32], a, b, log_p, log_q, s)


def _betaincinv_fine_step(a: Tensor, b: Tensor, log_p: Tensor, log_q: Tensor, s: Tensor) -> Tensor:
    return _step(BETA_RULES[torch.float64], a, b, log_p, log_q, s)


def _step(k: BetaRule, a: Tensor, b: Tensor, log_p: Tensor, log_q: Tensor, s: Tensor) -> Tensor:
    """One step of Halley's method for ln I = ln p on the lower side."""
    lower, (a, b, x, other, log_x, log_other) = _lower_side(a, b, *_both(s))
    terms, last, _ = _recurrence(k, a, b, x)
    body = last * _tail_integrals(k, a + k.steps, b, x, other)[2]
    for term in reversed(terms):
        body = body + term
    log_tail = _log_density(k, a, b, x, other, log_x, log_other) + body.log()
    newton = (torch.where(lower, log_p, log_q) - log_tail) * body
    change = halley(newton, a * other - b * x - 1 / body)
    return torch.where(lower, s + change, s - change)


def _both(s: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x and 1 − x of the log odds s, and their logarithms."""
    ratio = (-s.abs()).exp()
    big, log_big = 1 / (1 + ratio), ratio.log1p()
    small, upper = ratio * big, s > 0
    x, other = torch.where(upper, big, small), torch.where(upper, small, big)
    return x, other, s.clamp(max=0.0) - log_big, (-s).clamp(max=0.0) - log_big


def _log_density(k: BetaRule, a: Tensor, b: Tensor, x: Tensor, other: Tensor, log_x: Tensor, log_other: Tensor) -> Tensor:
    """ln P, by Stirling's formula at a + steps and b + steps, expanded around their mean as in ``beta.py``."""
    top_a, top_b = a + k.steps, b + k.steps
    top = top_a + top_b
    up_a, up_b = top / top_a, top / top_b
    product = (top_a * top_b / (2 * math.pi * top)).sqrt()
    for n in range(k.steps):
        product = product * ((a + n) * up_a / (a + b + n)) * ((b + n) * up_b / (top_a + b + n))
    shift = x * top_b - top_a * other
    exponent = a * _log_ratio(shift / top_a, log_x, up_a) + b * _log_ratio(-shift / top_b, log_other, up_b)
    return product.log() + exponent + (_stirling(k, top) - _stirling(k, top_a) - _stirling(k, top_b))
