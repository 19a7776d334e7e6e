"""Inverses of the regularized incomplete gamma functions: quantiles of Gamma(a, 1) and of its logarithm.

With y = ln x the equation is ln P(a, eʸ) = ln p on the left of the boundary of ``gammainc.py`` and ln Q(a, eʸ) = ln(1 − p) on
its right. Both functions are the product of a power and a body B,

    P or Q = xᵃ e⁻ˣ / Γ(a + 1) · B,    d ln P/dy = a/B,    d ln Q/dy = −a/B,

so neither the logarithm nor its slope underflows, and no digits are lost in either tail. The density of y is log-concave, so
ln P is concave in y, and Newton's method for it converges from everywhere. Each step is Halley's (DiDonato & Morris 1986), in y
on the left, where ln P is close to a line at small x (P → xᵃ/Γ(a + 1)), and in x on the right, where ln Q is close to a line.
The start is the normal approximation of the cube root of x (Wilson & Hilferty 1931), or the leading term of a tail. Three steps
reach the accuracy of float64; float32 arguments are computed in float64 with two. The number of operations is the same for
every element.

Relative error in float64 for shapes 1e-3 to 1e6 and p or 1 − p from 1e-300, of x where it does not underflow: at most 2e-12 for
shapes below 1 and 1 − p below 1e-3, where ``gammaincc`` loses digits, and 1e-12 elsewhere. In float32 it is 6e-8, the rounding
of the result. This is the error for the given float p, or 1 − p for the complement. An error of p itself is multiplied by the
condition number p/(x p(a, x)), with the density p(a, x): about 1/a in the left tail, and large for p near 1, whose rounding
``gammainccinv`` avoids.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.special._arithmetic import horner
from irg_experiments.implicit.special._gammainc_coefficients import GAMMAINC_FITS, GammaincFit
from irg_experiments.implicit.special._inverse import edges, halley, inverse, iterate, log_both, normal_quantile
from irg_experiments.implicit.special.gamma import gamma_sample_grad, log_gamma_sample_grad
from irg_experiments.implicit.special.gammainc import _log_density, _log_ratio_power, _lower_the_shape, _mills_ratio

_STEPS = {torch.float32: 2, torch.float64: 3}
# smaller shapes start from the leading terms of the tails
_SMALL_SHAPE = 0.5
# below this value of the cube root of x/a, the left tail is closer to its leading term
_LEFT_ROOT = 0.3
# smaller x have P(a, x) = xᵃ/Γ(a + 1) up to rounding
_TINY = 1e-290


def gammaincinv(a: Tensor | float, p: Tensor | float) -> Tensor:
    """The solution x of P(a, x) = p, the quantile of Gamma(a, 1); differentiable in a and p.

    dx/da is the derivative of a sample at a fixed distribution function, ``gamma_sample_grad``, and dx/dp = 1/p(a, x), with the
    density p(a, x).

    Args:
        a: shape parameter, a > 0.
        p: probability, 0 ≤ p ≤ 1; broadcast with ``a``.

    Returns:
        x ≥ 0; 0 at p = 0 and infinite at p = 1; NaN outside the domain. Relative error at most 2e-12 in float64 and 1e-7 in
        float32 for the given float p, over shapes 1e-3 to 1e6. If p is so close to 1 that it has lost digits, use
        ``gammainccinv``; if x underflows, ``log_gammaincinv``.

    Source: Gil, Segura & Temme (2012); the module's docstring describes the computation.
    """
    return inverse(_gammaincinv, (_quantile_grad_a, _quantile_grad_p), a, p)


def gammainccinv(a: Tensor | float, q: Tensor | float) -> Tensor:
    """The solution x of Q(a, x) = q for the complement Q = 1 − P; infinite at q = 0, 0 at q = 1; otherwise as ``gammaincinv``.

    The right tail keeps its digits down to the smallest q.
    """
    return inverse(_gammainccinv, (_quantile_grad_a, _quantile_grad_q), a, q)


def log_gammaincinv(a: Tensor | float, p: Tensor | float) -> Tensor:
    """The logarithm y of the solution of P(a, eʸ) = p, the quantile of ln z, z ~ Gamma(a, 1); finite where eʸ underflows.

    Args:
        a: shape parameter, a > 0.
        p: probability, 0 ≤ p ≤ 1; broadcast with ``a``.

    Returns:
        y; −∞ at p = 0 and ∞ at p = 1; NaN outside the domain. The error in float64 is at most 2e-12, relative to y for
        |y| > 1. The derivatives are those of ``gammaincinv``, divided by eʸ.
    """
    return inverse(_log_gammaincinv, (_log_quantile_grad_a, _log_quantile_grad_p), a, p)


def log_gammainccinv(a: Tensor | float, q: Tensor | float) -> Tensor:
    """The logarithm y of the solution of Q(a, eʸ) = q; ∞ at q = 0, −∞ at q = 1; otherwise as ``log_gammaincinv``."""
    return inverse(_log_gammainccinv, (_log_quantile_grad_a, _log_quantile_grad_q), a, q)


def _quantile_grad_a(a: Tensor, p: Tensor, x: Tensor) -> Tensor:
    return gamma_sample_grad(a, x)


def _quantile_grad_p(a: Tensor, p: Tensor, x: Tensor) -> Tensor:
    """1/p(a, x); at x = ∞ as near it."""
    return (-_log_density(a, x.clamp(max=1e18))).exp()


def _quantile_grad_q(a: Tensor, q: Tensor, x: Tensor) -> Tensor:
    return -_quantile_grad_p(a, q, x)


def _log_quantile_grad_a(a: Tensor, p: Tensor, y: Tensor) -> Tensor:
    return log_gamma_sample_grad(a, y)


def _log_quantile_grad_p(a: Tensor, p: Tensor, y: Tensor) -> Tensor:
    """1/(eʸ p(a, eʸ)), by the power with the exponent of y that does not underflow."""
    y = y.clamp(-1e18, 40.0)
    log_density = a.log() + _log_power(GAMMAINC_FITS[a.dtype], a, y.exp(), y)
    return (-log_density).exp()


def _log_quantile_grad_q(a: Tensor, q: Tensor, y: Tensor) -> Tensor:
    return -_log_quantile_grad_p(a, q, y)


def _gammaincinv(a: Tensor, p: Tensor) -> Tensor:
    y = _iterated(a, evaluate(_gammaincinv_start, (a, p)), _STEPS[p.dtype])
    return edges(p, _valid(a, p), y.exp(), 0.0, math.inf)


def _gammainccinv(a: Tensor, q: Tensor) -> Tensor:
    y = _iterated(a, evaluate(_gammainccinv_start, (a, q)), _STEPS[q.dtype])
    return edges(q, _valid(a, q), y.exp(), math.inf, 0.0)


def _log_gammaincinv(a: Tensor, p: Tensor) -> Tensor:
    y = _iterated(a, evaluate(_gammaincinv_start, (a, p)), _STEPS[p.dtype])
    return edges(p, _valid(a, p), y, -math.inf, math.inf)


def _log_gammainccinv(a: Tensor, q: Tensor) -> Tensor:
    y = _iterated(a, evaluate(_gammainccinv_start, (a, q)), _STEPS[q.dtype])
    return edges(q, _valid(a, q), y, math.inf, -math.inf)


def _valid(a: Tensor, p: Tensor) -> Tensor:
    """As in SciPy, a may be 0 or infinite at p = 0 and p = 1."""
    return ((a > 0) & (a < math.inf)) | ((a >= 0) & ((p == 0) | (p == 1)))


def _iterated(a: Tensor, start: Tensor, steps: int) -> Tensor:
    log_p, log_q, y = start.unbind()
    return iterate(_gammaincinv_step, steps, (a.double(), log_p, log_q), y)


def _gammaincinv_start(a: Tensor, p: Tensor) -> Tensor:
    """ln p, ln(1 − p) and the approximate y, along a new first dimension."""
    log_p, log_q = log_both(p)
    return torch.stack((log_p, log_q, gamma_quantile_start(a.double(), log_p, log_q)))


def _gammainccinv_start(a: Tensor, q: Tensor) -> Tensor:
    log_q, log_p = log_both(q)
    return torch.stack((log_p, log_q, gamma_quantile_start(a.double(), log_p, log_q)))


def gamma_quantile_start(a: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    """The approximate logarithm of the quantile."""
    log_gamma = torch.lgamma(a)
    # P = xᵃ/Γ(a + 1) (1 − a x/(a + 1) + …)
    left = (log_p + a.log() + log_gamma) / a
    left = left + left.clamp(max=0.0).exp() / (a + 1)
    # Q = xᵃ⁻¹ e⁻ˣ/Γ(a) (1 + …)
    size = -(log_q + log_gamma)
    right = (size + (a - 1) * size.clamp(min=1.0).log()).clamp(min=0.5).log()
    ninth = 1 / (9 * a)
    root = 1 - ninth + normal_quantile(log_p, log_q) * ninth.sqrt()
    centre = a.log() + 3 * root.clamp(min=_LEFT_ROOT).log()
    tails = torch.where(size < 1, left, right)
    return torch.where(a < _SMALL_SHAPE, tails, torch.where(root > _LEFT_ROOT, centre, left))


def _gammaincinv_step(a: Tensor, log_p: Tensor, log_q: Tensor, y: Tensor) -> Tensor:
    """One step of Halley's method for ln P(a, eʸ) = ln p in y, or for ln Q(a, x) = ln q in x."""
    x = y.exp()
    right, log_tail, body = _log_tail(GAMMAINC_FITS[y.dtype], a, x, y)
    rate = a / body
    newton = torch.where(right, log_tail - log_q, log_p - log_tail) / rate
    bend = torch.where(right, a - 1 - x + rate, a - x - rate)
    change = halley(newton, bend)
    return y + torch.where(right, change.clamp(min=-0.9).log1p(), change)


def _log_tail(k: GammaincFit, a: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """True, ln Q and B on the right; false, ln P and B on the left. y = ln x, where x may have underflowed."""
    right = x > a.clamp(min=k.edge)
    shift = torch.where(right, 0.0, float(k.steps))
    width = (a + shift + k.c).rsqrt()
    e = torch.where(right, width, -width)
    t = ((x - a) - shift) * e
    p = k.scale / (k.scale + t)
    ratio = _mills_ratio(k, p - 0.5, e - k.centre) * p * width
    body = torch.where(right, a * ratio, _lower_the_shape(k, a, x, ratio))
    return right, _log_power(k, a, x, y) + body.log(), body


def _log_power(k: GammaincFit, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """ln(xᵃ e⁻ˣ / Γ(a + 1)) from x and y = ln x."""
    large, tiny = a >= k.large, x < _TINY
    few, many = torch.where(large, 1.0, a), torch.where(large, a, k.large)
    direct = few * y - x - torch.lgamma(few + 1)
    correction = horner(k.stirling, 1 / (many + k.b)) + 0.5 * (2 * math.pi * many).log()
    power = _log_ratio_power(k, many, torch.where(large & ~tiny, x, k.large), 0)
    power = torch.where(tiny, many * (y - many.log() + 1), power)
    return torch.where(large, power - correction, direct)
