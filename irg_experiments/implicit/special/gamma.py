"""The derivative of a Gamma sample with respect to its shape parameter, at a fixed value of the distribution function.

For z ~ Gamma(a, 1) with distribution function P(a, z) and density p(a, z),

    D(a, z) = dz/da = −(∂P/∂a) / p(a, z).

Temme's uniform expansion (Temme 1979; DLMF 8.12) makes it a smooth function of z/a and 1/a in which every exponential cancels.
Its leading term w ln(w) / (w − 1), w = z/a, is also correct in both tails. Here, with u = z / (s + C) for a shape s,

    D(s, z) = u ln(u) / (u − 1) + R(x, v) / s,    x = 1 / (1 + √u) − 1/2,    v = 1 / (s + B),

where R is a polynomial in x and v. Both are bounded and R tends to a limit as z grows, so the error grows only slowly in the
far tails. There are two regions; both formulas are evaluated for every element and one is selected:

    right, z > edge + slope · a:  the formula with s = a.
    left, all other z:  the formula with s = a + steps, and then ``steps`` times the recurrence at fixed z
        D(a, z) = (z/a) (D(a + 1, z) + ψ(a + 1) − ln z),
    the derivative of P(a, z) = P(a + 1, z) + zᵃ e⁻ᶻ / Γ(a + 1) (DLMF 8.8.5). It contains the logarithmic singularity at
    z = 0 and is stable for z up to slightly more than a. ψ follows by recurrence from ψ(s), where ψ(s) − ln(s + C) is a
    polynomial in v.

The polynomials are least-squares fits, nearly minimax in the relative error of D, to Σ zⁿ⁺¹/(s)ₙ₊₁ (ψ(s + n + 1) − ln z) (Moore
1982, AS 187) in high precision, over all a > 0 and z between the quantiles 1e-13 and 1 − 1e-13. The number of operations is the
same for every element. The only transcendental functions are two logarithms and a square root.

Relative error over shapes 1e-3 to 1e6 and z between those quantiles: at most 6e-7 in float32 and 1e-13 in float64. Beyond them
the right tail loses digits gradually (4e-11 in float64 at a = 30, z = 300).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner, log_ratio, reciprocals
from irg_experiments.implicit.special._elementwise import derivative_of, elementwise, last_derivative, with_slope
from irg_experiments.implicit.special._gamma_coefficients import GAMMA_FITS, GammaFit

# for smaller z, ln z comes from the caller, as z itself may have underflowed
_TINY = 1e-20


def gamma_sample_grad(a: Tensor | float, z: Tensor | float) -> Tensor:
    """The derivative dz/da of a sample z of Gamma(a, 1) at fixed P(a, z).

    dz/da = −(∂P/∂a) / p(a, z), with the distribution function P and the density p.

    Args:
        a: shape parameter, a > 0.
        z: the sample, z ≥ 0; broadcast with ``a``.

    Returns:
        The derivative, positive; 0 at z = 0, infinite at z = ∞; NaN for a ≤ 0, z < 0 and NaN. Relative error at most 6e-7 in
        float32 and 1e-13 in float64, over shapes 1e-3 to 1e6 and z between the quantiles 1e-13 and 1 − 1e-13.

        Its derivatives in a and z, and so d²z/da² = ∂D/∂a + D ∂D/∂z, have errors of at most 2e-12 D/a, D/z and D/a in float64.
        In float32 they are at most 1e-6 D/a and D/z, and 1e-5 D/a for d²z/da². At z = 0, where the derivative in z is infinite,
        that at the smallest normal number is returned.

    Raises:
        NotImplementedError: the second derivative of the result is requested.

    Source: Figurnov, Mohamed & Mnih (2018), univariate case; the module's docstring describes the computation.
    """
    return elementwise(_gamma_sample_grad, _SAMPLE_GRAD_SLOPES, a, z)


def log_gamma_sample_grad(a: Tensor | float, log_z: Tensor | float) -> Tensor:
    """The derivative d(ln z)/da of a sample z of Gamma(a, 1) at fixed P(a, z), from ln z.

    It is finite where z underflows: for a = 1e-3 a typical ln z is −1000, and the derivative is (ψ(a + 1) − ln z)/a.

    Args:
        a: shape parameter, a > 0.
        log_z: the natural logarithm of the sample; broadcast with ``a``.

    Returns:
        The derivative, positive; 0 at ln z = ∞, infinite at −∞; NaN for a ≤ 0 and NaN. The relative error is that of
        ``gamma_sample_grad``, and so is that of its derivatives.

    Raises:
        NotImplementedError: the second derivative of the result is requested.
    """
    return elementwise(_log_gamma_sample_grad, _LOG_SAMPLE_GRAD_SLOPES, a, log_z)


def _gamma_sample_grad(a: Tensor, z: Tensor) -> Tensor:
    grad = z * _log_sample_grad(a, z, z.log())
    grad = torch.where((z == 0) & (a > 0), 0.0, grad)
    return torch.where((z == math.inf) & (a > 0), math.inf, grad)


def _log_gamma_sample_grad(a: Tensor, log_z: Tensor) -> Tensor:
    grad = _log_sample_grad(a, log_z.exp(), log_z)
    return torch.where((log_z == -math.inf) & (a > 0), math.inf, grad)


def _smooth_sample_grad(a: Tensor, z: Tensor) -> Tensor:
    """The same in a form that can be differentiated in a."""
    return torch.where(z == 0, 0.0, z * _log_sample_grad(a, z, z.log(), _smooth_leading_term))


def _slope_in_z(a: Tensor, z: Tensor) -> Tensor:
    """∂D/∂z = E + ∂E/∂ln z for E = D/z, whose derivative in z itself overflows; at z = 0 that of the smallest normal number."""

    def relative(a: Tensor, z: Tensor, log_z: Tensor) -> Tensor:
        return _log_sample_grad(a, z * (log_z - log_z.detach()).exp(), log_z, _smooth_leading_term)

    z = torch.where(z >= 0, z.clamp(min=torch.finfo(z.dtype).tiny), z)
    value, slope = with_slope(relative, 2, (a, z, z.log()))
    return value + slope


def _smooth_log_sample_grad(a: Tensor, log_z: Tensor) -> Tensor:
    # the square root of z = 0 has no finite derivative
    z = log_z.exp().clamp(min=torch.finfo(log_z.dtype).tiny)
    return _log_sample_grad(a, z, log_z, _smooth_leading_term)


_WHAT = "the second derivative of a Gamma sample"
_SAMPLE_GRAD_SLOPES = derivative_of(_smooth_sample_grad, 0, _WHAT), last_derivative(_slope_in_z, _WHAT)
_LOG_SAMPLE_GRAD_SLOPES = tuple(derivative_of(_smooth_log_sample_grad, index, _WHAT) for index in range(2))


def _log_sample_grad(
    a: Tensor, z: Tensor, log_z: Tensor, leading_term: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Tensor:
    """D(a, z)/z from z and its logarithm; the logarithm is used where z is tiny or has underflowed to zero."""
    k = GAMMA_FITS[a.dtype]
    right = z > k.edge + k.slope * a
    s = torch.where(right, a, a + k.steps)
    shifted = s + k.c
    u, v = z / shifted, 1 / (s + k.b)

    tiny = z < _TINY
    log = torch.where(tiny, shifted, u).log()
    log_u = torch.where(tiny, log_z - log, log)

    leading = (leading_term or _leading_term)(u, log_u)
    leading = torch.where(z > 0, leading, 0.0)  # the limit of u ln u
    raised = leading + _smooth_part(k, u, v) / s

    lowered = _lower_the_shape(k, a, z, raised, horner(k.psi, v), log_u)
    grad = torch.where(right, raised, lowered) / torch.where(right, z, a)
    grad = torch.where(z == math.inf, 0.0, grad)
    return torch.where((a > 0) & (z >= 0), grad, math.nan)


def _leading_term(u: Tensor, log_u: Tensor) -> Tensor:
    """u ln(u)/(u − 1). u is rounded once and u − 1 is exact near 1, so the quotient is accurate there."""
    return torch.where(u == 1, 1.0, log_u / (u - 1) * u)


def _smooth_leading_term(u: Tensor, log_u: Tensor) -> Tensor:
    """The same in a form that can be differentiated near u = 1; ``log_u`` is used where u may have underflowed."""
    small = u < 0.5
    far = torch.where(small, log_u, 0.0) * u / (torch.where(small, u, 0.0) - 1)
    return torch.where(small, far, u * log_ratio(u))


def _smooth_part(k: GammaFit, u: Tensor, v: Tensor) -> Tensor:
    """R. Its polynomials in v are independent of each other, so the processor evaluates them in parallel."""
    x = 1 / (1 + u.sqrt()) - 0.5
    total = x * horner(k.r[-1], v)
    for row in reversed(k.r[1:-1]):
        total = (total + horner(row, v)) * x
    return total + horner(k.r[0], v)


def _lower_the_shape(k: GammaFit, a: Tensor, z: Tensor, d: Tensor, psi: Tensor, log_u: Tensor) -> Tensor:
    """a D(a, z)/z from d = D(a + steps, z); psi starts as ψ(a + steps) − ln(s + C), so that psi − log_u is ψ(…) − ln z."""
    for reciprocal in reversed(reciprocals(a, k.steps - 1)):
        d = z * reciprocal * (d + (psi - log_u))
        psi = psi - reciprocal
    return d + (psi - log_u)
