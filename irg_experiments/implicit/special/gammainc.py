"""The regularized incomplete gamma functions.

P(a, x) = γ(a, x)/Γ(a) and Q(a, x) = 1 − P(a, x) are a power times a Mills ratio that is close to a function of one
variable, the distance of x from a in standard deviations (Temme 1979; DLMF 8.11(iii), 8.12). For a shape s, on the
right (+) and left (−),

    F(s, x) = xˢ e⁻ˣ / Γ(s) · p G(q, e) / √(s + C),    F = Q on the right, F = P on the left,

    t = ±(x − s) / √(s + C),    p = 1 / (1 + t/b),    q = p − 1/2,    e = ±1 / √(s + C).

Temme's expansion F √(s) / (xˢ e⁻ˣ / Γ(s)) = √(π/2) eᵗ²ᐟ² erfc(t/√2) + O(1/√s) is a series in powers of ±1/√s, with the
same functions of t on both sides. One polynomial G in q and e therefore covers both, with e of either sign. All three
variables are bounded.

There are two regions, computed by the same formulas:

    right, x > max(a, edge):  Q(a, x) = F with s = a, and P = 1 − Q.
    left, all other x:  F with s = a + steps, then ``steps`` times the recurrence, in which all terms are positive,
        P(a, x) = P(a + 1, x) + xᵃ e⁻ˣ / Γ(a + 1)    (DLMF 8.8.5),    and Q = 1 − P.

The factor xᵃ e⁻ˣ / Γ(a + 1) is computed without cancellation: for shapes above a constant it is

    exp(a (ln(1 + y) − y) − μ(a)) / √(2πa),    y = (x − a)/a,

where μ, Stirling's correction, is a polynomial in 1/(a + B). Near y = 0, with r = (x − a)/(x + a),

    ln(1 + y) − y = −r y + 2 r³ (1/3 + r²/5 + …),

where the bracket is a polynomial in r² (Temme 1994; Gil, Segura & Temme 2012).

G is a least-squares fit, nearly minimax in the absolute error of F where F is not small, to a continued fraction and
a series in extended precision, over a > 0 and F down to 1e-250. The number of operations is the same for every
element. The smaller of P and Q also has a small relative error, except for Q < 4e-5 at x ≤ edge, which occurs only for
shapes below 1e-3.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner, reciprocals
from irg_experiments.implicit.special._elementwise import elementwise
from irg_experiments.implicit.special._gammainc_coefficients import GAMMAINC_FITS, GammaincFit
from irg_experiments.implicit.special.gamma import gamma_sample_grad


def gammainc(a: Tensor | float, x: Tensor | float) -> Tensor:
    """The distribution function P(a, x) = γ(a, x)/Γ(a) of Gamma(a, 1) at x, differentiable in a and x.

    Args:
        a: shape parameter, a > 0.
        x: x ≥ 0; broadcast with ``a``.

    Returns:
        Values in [0, 1]; NaN outside the domain. Absolute error at most 1e-14 in float64 and 4e-7 in float32, over shapes 1e-3
        to 1e6. The derivatives are p(a, x) in x and −p(a, x) D(a, x) in a, with the density p and the sample derivative D of
        ``gamma_sample_grad``. The second derivative in a, −p (∂D/∂a + D ∂(ln p)/∂a), has an error of at most 1e-9 p (1 +
        √a) D/a in float64 for shapes up to 1e4, which grows with a as that of the density. Those that involve x are for x > 0.

    Raises:
        NotImplementedError: a third derivative that involves a.

    Source: Temme (1979), DLMF 8.12; the method of computation is described in the module's docstring.
    """
    return elementwise(_gammainc, (_gammainc_grad_a, _density), a, x)


def gammaincc(a: Tensor | float, x: Tensor | float) -> Tensor:
    """The complement Q(a, x) = 1 − P(a, x), accurate where it is small; otherwise as ``gammainc``."""
    return elementwise(_gammaincc, (_gammaincc_grad_a, _minus_density), a, x)


def _gammainc_grad_a(a: Tensor, x: Tensor) -> Tensor:
    return -_inner_density(a, x) * gamma_sample_grad(a, x)


def _gammaincc_grad_a(a: Tensor, x: Tensor) -> Tensor:
    return _inner_density(a, x) * gamma_sample_grad(a, x)


def _inner_density(a: Tensor, x: Tensor) -> Tensor:
    """The density, finite at x = 0, where it multiplies a derivative that is zero."""
    return _density(a, x.clamp(min=torch.finfo(x.dtype).tiny))


def _minus_density(a: Tensor, x: Tensor) -> Tensor:
    return -_density(a, x)


def _density(a: Tensor, x: Tensor) -> Tensor:
    """x^(a−1) e^(−x) / Γ(a)."""
    return _log_density(a, x).exp()


def _gammainc(a: Tensor, x: Tensor) -> Tensor:
    """P(a, x)."""
    small, right = _smaller(a, x)
    return torch.where(right, 1 - small, small)


def _gammaincc(a: Tensor, x: Tensor) -> Tensor:
    """Q(a, x)."""
    small, right = _smaller(a, x)
    return torch.where(right, small, 1 - small)


def _log_density(a: Tensor, x: Tensor) -> Tensor:
    """ln(x^(a−1) e^(−x) / Γ(a)); differentiable by autograd, to any order, in both arguments."""
    k = GAMMAINC_FITS[a.dtype]
    power, scale = _log_power(k, a, x, 1)
    return power - 0.5 * scale.log()


def _smaller(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Q and true on the right, P and false on the left."""
    k = GAMMAINC_FITS[a.dtype]
    right = x > a.clamp(min=k.edge)
    finite = x.clamp(max=_huge(a))
    power, scale = _log_power(k, a, finite, 0)
    shift = torch.where(right, 0.0, float(k.steps)).to(a.dtype)
    width = (a + shift + k.c).rsqrt()
    e = torch.where(right, width, -width)
    # subtract a before the shift: the difference of close numbers is exact
    t = ((finite - a) - shift) * e
    p = k.scale / (k.scale + t)
    ratio = _mills_ratio(k, p - 0.5, e - k.centre) * p * width
    small = power.exp() * scale.rsqrt() * torch.where(right, a * ratio, _lower_the_shape(k, a, finite, ratio))
    small = torch.where((x == math.inf) | (a == 0) | ((a == math.inf) & ~right), 0.0, small)
    right = right | ((a == 0) & (x > 0))
    valid = (a >= 0) & (x >= 0) & ((a > 0) | (x > 0)) & ((a < math.inf) | (x < math.inf))
    return torch.where(valid, small, math.nan), right


def _log_power(k: GammaincFit, a: Tensor, x: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """A and B in x^(a − offset) e⁻ˣ / Γ(a + 1 − offset) = exp(A) / √B, for offset 0 or 1."""
    large = (a >= k.large) & (x > 0)
    # the formula that is not selected gets arguments at which its derivatives are finite
    few, many = torch.where(large, 1.0, a), torch.where(large, a, k.large)
    direct = torch.special.xlogy(few - offset, torch.where(large, 1.0, x)) - x - torch.lgamma(few + (1 - offset))
    z = torch.where(large, x, k.large)
    correction = horner(k.stirling, 1 / (many + k.b))
    stirling = _log_ratio_power(k, many, z, offset) - correction
    scale = torch.where(large, 2 * math.pi * many, 1.0)
    return torch.where(large, stirling, direct), scale


def _log_ratio_power(k: GammaincFit, a: Tensor, x: Tensor, offset: int) -> Tensor:
    """(a − offset) ln(x/a) − (x − a)."""
    difference = x - a
    r = difference / (x + a)
    near = r.abs() < k.near
    r = torch.where(near, r, 0.0)
    bend = 2 * r * r * r * horner(k.log, r * r)
    close = a * bend - r * difference
    far = torch.where(near, 1.0, x / a).log()
    if offset:
        close, factor = close - (2 * r + bend), a - 1
    else:
        factor = a
    return torch.where(near, close, factor * far - difference)


def _mills_ratio(k: GammaincFit, q: Tensor, e: Tensor) -> Tensor:
    """G. Its polynomials in e are independent of each other, so the processor evaluates them in parallel."""
    total = q * horner(k.g[-1], e)
    for row in reversed(k.g[1:-1]):
        total = (total + horner(row, e)) * q
    return total + horner(k.g[0], e)


def _lower_the_shape(k: GammaincFit, a: Tensor, x: Tensor, ratio: Tensor) -> Tensor:
    """P(a, x) / (xᵃ e⁻ˣ / Γ(a + 1)) from P(s, x) / (xˢ e⁻ˣ / Γ(s)), s = a + steps."""
    total = x * ratio + 1
    for reciprocal in reversed(reciprocals(a, k.steps - 1)):
        total = total * (x * reciprocal) + 1
    return total


def _huge(x: Tensor) -> float:
    """A number beyond every quantile, whose products are finite."""
    return 1e18 if x.dtype == torch.float32 else 1e150
