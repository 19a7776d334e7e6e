"""The regularized incomplete beta function, and the derivatives of a Beta sample at a fixed value of it.

For Z ~ Beta(a, b) with distribution function I_z(a, b) (DLMF 8.17) and P = zᵃ (1 − z)ᵇ / B(a, b), the density of the
log odds,

    dz/da = z (1 − z) E,    E = −(∂I/∂a) / P > 0,    dz/db = −z (1 − z) G,    G = (∂I/∂b) / P > 0,

the quantities of Figurnov, Mohamed & Mnih (2018), with the CDF as standardization. By symmetry, DLMF
8.17.4, it suffices to take z on the lower side, z (b + C) ≤ (1 − z)(a + C), whose boundary is near the mean; elsewhere
(a, b, z) is replaced by (b, a, 1 − z), and E and G are exchanged. The recurrence DLMF 8.17.20, I_z(a, b) = I_z(a + 1, b) +
P/a, gives

    E(a, b) = z (a + b)/a · E(a + 1, b) + (ψ(a + 1) − ψ(a + b) − ln z) / a,
    G(a, b) = z (a + b)/a · G(a + 1, b) + (ψ(a + b) − ψ(b) + ln(1 − z)) / a,

whose terms are positive on the lower side, except slightly beyond the mean. It is summed over ``steps`` terms, which
contain the singularities at small a and at z = 0. At A = a + steps the remainder consists of integrals over the tail,
where l is the difference of the log odds of z and of t < z,

    E = ∫ (ψ(A) − ψ(A + b) − ln z + r) e^−Φ dl,    G = ∫ (ψ(A + b) − ψ(b) + ln(1 − z) + s) e^−Φ dl,
    r = ln(z/t),    s = ln((1 − t)/(1 − z)),    r + s = l,    Φ = A r − b s,

where e^−Φ is the ratio of the densities at t and at z. Φ is convex and increasing. Scaled by its length, the integrand
resembles an exponential, a half Gaussian or the left half of an extreme-value density. One quadrature rule on
0 ≤ l ≤ L, where Φ(L) is about ``cut``, is accurate for all of these; L is found by Newton's method for ln Φ. The rule is
fitted to these integrands (generalized Gaussian quadrature: Bremer, Gimbutas & Rokhlin 2010).
Boik & Robison-Cox (1998) differentiate a continued fraction instead; that of DLMF 8.17.22 needs about √max(a, b)
levels.

Differences of ψ and the Gamma functions of I come from DLMF 5.11.2 and 5.11.1 at arguments raised by ``steps``. The
number of operations is the same for every element. float32 arguments are computed in float64, with fewer nodes and terms.

Relative error of dz/da and dz/db for a and b between 1e-2 and 1e3 and z between the quantiles 1e-10 and 1 − 1e-10: at
most 7e-8 in float32, little more than the rounding of the result, and 2.5e-14 in float64. Absolute error of I: 3.1e-8 and
7e-15.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner, inside, reciprocals
from irg_experiments.implicit.special._beta_coefficients import BETA_RULES, DIGAMMA_TERMS, STIRLING_TERMS, BetaRule
from irg_experiments.implicit.special._elementwise import derivative_of, differentiable, elementwise

# C in the boundary between the two sides. If one shape is small, a smaller C leaves integrands with a steeper end, and with a
# larger one E or G is a small difference of terms beyond the mean
_SIDE = 0.45


def beta_sample_grad(a: Tensor | float, b: Tensor | float, z: Tensor | float) -> tuple[Tensor, Tensor]:
    """The derivatives dz/da and dz/db of a sample z of Beta(a, b) at fixed I_z(a, b).

    dz/da = −(∂I/∂a) / p(z) and dz/db = −(∂I/∂b) / p(z), with the distribution function I and the density p.

    Args:
        a: first shape parameter, a > 0.
        b: second shape parameter, b > 0.
        z: the sample, 0 ≤ z ≤ 1; the three are broadcast.

    Returns:
        dz/da, which is positive, and dz/db, which is negative; 0 at z = 0 and z = 1; NaN for a ≤ 0, b ≤ 0, z outside [0, 1] and
        NaN. Relative error at most 7e-8 in float32 and 2.5e-14 in float64, for a and b between 1e-2 and 1e3 and z between the
        quantiles 1e-10 and 1 − 1e-10.

        Relative error of their derivatives in a, b and z at most 1e-11 in float64 and 3e-5 in float32 in this range; at
        z = 0 and z = 1, where those in z may be infinite, those of the next float are returned.

    Raises:
        NotImplementedError: the second derivative of the results is requested.

    Source: Figurnov, Mohamed & Mnih (2018), univariate case; the module's docstring describes the computation.
    """
    dz_da, dz_db = elementwise(_both_sample_grads, _SAMPLE_GRAD_SLOPES, a, b, z).unbind()
    return dz_da, dz_db


def betainc(a: Tensor | float, b: Tensor | float, x: Tensor | float) -> Tensor:
    """The distribution function I_x(a, b) of Beta(a, b) at x, differentiable in a, b and x.

    Args:
        a: first shape parameter, a > 0.
        b: second shape parameter, b > 0.
        x: 0 ≤ x ≤ 1; the three are broadcast.

    Returns:
        Values in [0, 1]; NaN for a ≤ 0, b ≤ 0, x outside [0, 1] and NaN. Absolute error at most 3.1e-8 in float32 and 7e-15
        in float64, for a and b between 1e-2 and 1e3.

        Relative error of second derivatives in a and b at most 1e-9 in float64, for 0 < x < 1; that of the density in float32,
        about eps ln Γ(a + b).

    Raises:
        NotImplementedError: a third derivative that involves a or b.

    Source: DLMF 8.17; the method of computation is described in the module's docstring.
    """
    return elementwise(_betainc, (_betainc_grad_a, _betainc_grad_b, _density), a, b, x)


def _betainc_grad_a(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    return -_inner_density(a, b, x) * beta_sample_grad(a, b, x)[0]


def _betainc_grad_b(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    return -_inner_density(a, b, x) * beta_sample_grad(a, b, x)[1]


def _inner_density(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """The density, finite where it multiplies a derivative that is zero."""
    limits = torch.finfo(x.dtype)
    return _density(a, b, x.clamp(limits.tiny, 1 - limits.eps / 2))


def _beta_density(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """x^(a−1) (1−x)^(b−1) / B(a, b)."""
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return (torch.special.xlogy(a - 1, x) + torch.special.xlog1py(b - 1, -x) - log_beta).exp()


def _beta_density_grad_a(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    a, b, x, dtype = a.double(), b.double(), x.double(), a.dtype
    return (_beta_density(a, b, x) * (x.log() - a.digamma() + (a + b).digamma())).to(dtype)


def _beta_density_grad_b(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    a, b, x, dtype = a.double(), b.double(), x.double(), a.dtype
    return (_beta_density(a, b, x) * ((-x).log1p() - b.digamma() + (a + b).digamma())).to(dtype)


def _beta_density_grad_x(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    return _density(a, b, x) * ((a - 1) / x - (b - 1) / (1 - x))


_density = differentiable(_beta_density, (_beta_density_grad_a, _beta_density_grad_b, _beta_density_grad_x))


def _both_sample_grads(a: Tensor, b: Tensor, z: Tensor) -> Tensor:
    """dz/da and dz/db along a new first dimension, computed together as they share most operations."""
    return torch.stack(_sample_grads(a, b, z))


def _smooth_sample_grads(a: Tensor, b: Tensor, z: Tensor) -> Tensor:
    """The same with finite derivatives in z: infinite at z = 0 and z = 1, they are held from the nearest floats inward."""
    limits = torch.finfo(z.dtype)
    return _both_sample_grads(a, b, inside(z, limits.tiny, 1 - limits.eps / 2, (0.0, 1.0)))


_SAMPLE_GRAD_SLOPES = tuple(
    derivative_of(formula, index, "the second derivative of a Beta sample")
    for index, formula in enumerate((_both_sample_grads, _both_sample_grads, _smooth_sample_grads))
)


def _sample_grads(a: Tensor, b: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    k, dtype = BETA_RULES[a.dtype], a.dtype
    a, b, z = a.double(), b.double(), z.double()
    lower, args = _lower_side(a, b, z, 1 - z, z.log(), (-z).log1p())
    e, g = _reduced_derivatives(k, *args)
    scale = z * (1 - z)
    edge = (z == 0) | (z == 1)
    valid = _valid(a, b, z)
    da = torch.where(edge, 0.0, scale * torch.where(lower, e, g))
    db = torch.where(edge, 0.0, -scale * torch.where(lower, g, e))
    return torch.where(valid, da, math.nan).to(dtype), torch.where(valid, db, math.nan).to(dtype)


def _betainc(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    k, dtype = BETA_RULES[a.dtype], a.dtype
    a, b, x = a.double(), b.double(), x.double()
    value = betainc_of_both(k, a, b, x, 1 - x, x.log(), (-x).log1p())
    value = torch.where(x == 0, 0.0, torch.where(x == 1, 1.0, value))
    return torch.where(_valid(a, b, x), value, math.nan).to(dtype)


def betainc_of_both(k: BetaRule, a: Tensor, b: Tensor, x: Tensor, other: Tensor, log_x: Tensor, log_other: Tensor) -> Tensor:
    """I_x(a, b) inside the domain, from x, 1 − x and their logarithms, as x alone may not determine the others accurately."""
    lower, (a, b, x, other, log_x, log_other) = _lower_side(a, b, x, other, log_x, log_other)
    terms, last, _ = _recurrence(k, a, b, x)
    _, _, s0 = _tail_integrals(k, a + k.steps, b, x, other)
    tail = _log_odds_density(k, a, b, x, other, log_x, log_other) * (torch.stack(terms).sum(0) + last * s0)
    return torch.where(lower, tail, 1 - tail)


def _valid(a: Tensor, b: Tensor, z: Tensor) -> Tensor:
    return (a > 0) & (b > 0) & (z >= 0) & (z <= 1)


def _lower_side(
    a: Tensor, b: Tensor, x: Tensor, other: Tensor, log_x: Tensor, log_other: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Whether x is on the lower side, and the arguments, exchanged where it is not."""
    lower = x * (b + _SIDE) <= other * (a + _SIDE)

    def turned(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(lower, first, second), torch.where(lower, second, first)

    return lower, (*turned(a, b), *turned(x, other), *turned(log_x, log_other))


def _reduced_derivatives(
    k: BetaRule, a: Tensor, b: Tensor, x: Tensor, other: Tensor, log_x: Tensor, log_other: Tensor
) -> tuple[Tensor, Tensor]:
    """E and G on the lower side."""
    terms, last, ratios = _recurrence(k, a, b, x)
    r_integral, s_integral, s0 = _tail_integrals(k, a + k.steps, b, x, other)

    top = a + b + k.steps
    # sum E from the last term to the first and G from the first to the last: then all terms of each have one sign
    bracket = -_digamma_difference(k, a + k.steps, b, top) - log_x
    e = last * (bracket * s0 + r_integral)
    for n, inverse in reversed(list(enumerate(_reciprocals(k, a)))):
        e = torch.addcmul(e, terms[n], bracket + ratios[n])
        bracket = torch.addcmul(bracket, b * ratios[n], inverse, value=-1)
    bracket = log_other + _digamma_difference(k, b + k.steps, a, top)
    for ratio, inverse in zip(ratios, _reciprocals(k, b), strict=True):
        bracket = torch.addcmul(bracket, a * ratio, inverse)
    g = torch.zeros_like(a)
    for term, ratio in zip(terms, ratios, strict=True):
        g = torch.addcmul(g, term, bracket)
        bracket = bracket + ratio
    return e, g + last * (bracket * s0 + s_integral)


def _recurrence(k: BetaRule, a: Tensor, b: Tensor, x: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """The factors of the brackets, the factor of the remainder at a + steps, and 1/(a + b + n)."""
    factor, terms, total = torch.ones_like(a), [], a + b
    for n, inverse in enumerate(_reciprocals(k, a)):
        terms.append(factor * inverse)
        factor = terms[-1] * (x * (total + n))
    return terms, factor, _reciprocals(k, total)


def _reciprocals(k: BetaRule, a: Tensor) -> list[Tensor]:
    """1/a, …, 1/(a + steps − 1)."""
    return [1 / a, *reciprocals(a, k.steps - 1)]


def _tail_integrals(k: BetaRule, a: Tensor, b: Tensor, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """∫ r e^−Φ dl, ∫ s e^−Φ dl and ∫ e^−Φ dl.

    Of r and s, the one that may be much smaller than l is computed as a logarithm h, and the other one as the rest of l.
    """
    small, sign, slope, half = _sides(a, b, x, other)
    negative = -a - b
    length = _tail_length(k, a, b, x, other, small, sign, slope)

    signed, scaled = sign * length, slope * length
    s0, sl, sh = torch.zeros_like(a), torch.zeros_like(a), torch.zeros_like(a)
    for n, (node, weight) in enumerate(zip(k.nodes, k.weights, strict=True)):
        exponent = signed * node
        h = _log_of_change(small, exponent.expm1() if n < k.careful else exponent.exp() - 1)
        value = torch.add(negative * h, scaled, alpha=node).exp() * weight
        s0 = s0 + value
        sl = torch.add(sl, value, alpha=node)
        sh = torch.addcmul(sh, value, h)
    sl = length * sl
    return length * torch.where(half, sl + sh, sh), length * torch.where(half, -sh, sl - sh), length * s0


def _sides(a: Tensor, b: Tensor, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """small = min(x, 1 − x), sign, slope and whether it is x: h = ln(1 + small (e^(sign l) − 1)), Φ = (a + b) h − slope l."""
    half = x < 0.5
    return torch.where(half, x, other), torch.where(half, -1.0, 1.0).to(x.dtype), torch.where(half, -a, b), half


def _log_of_change(small: Tensor, change: Tensor) -> Tensor:
    """ln(1 + small change), with the error of the sum in its argument added."""
    scaled = small * change
    moved = 1 + scaled
    return moved.log() + (scaled - (moved - 1))


def _tail_length(
    k: BetaRule, a: Tensor, b: Tensor, x: Tensor, other: Tensor, small: Tensor, sign: Tensor, slope: Tensor
) -> Tensor:
    """The approximate solution l of Φ(l) = cut: two terms of the power series of Φ, then Newton's method for ln Φ."""
    total = a + b
    first = a * other - b * x
    length = 2 * k.cut / (first + (first * first + 2 * k.cut * total * x * other).sqrt())
    for _ in range(k.rounds):
        ratio = (sign * length).exp()
        inner = 1 + small * (ratio - 1)
        phi = total * inner.log() - slope * length
        rate = total * sign * small * ratio / inner - slope
        # a step from a length that is far too large may become negative
        length = torch.maximum(length - (phi / k.cut).log() * phi / rate, 0.3 * length)
    return length.detach()  # the integrals do not depend on it


def _digamma_difference(k: BetaRule, p: Tensor, d: Tensor, q: Tensor) -> Tensor:
    """ψ(q) − ψ(p) for q = p + d and p ≥ steps, with a small relative error also where d is small."""
    i, j = 1 / p, 1 / q
    i2, j2 = i * i, j * j
    terms = DIGAMMA_TERMS[: k.terms]
    rest = i2 * horner(terms, i2) - j2 * horner(terms, j2)
    return (d * i).log1p() + (0.5 * d * i * j + rest)


def _log_odds_density(k: BetaRule, a: Tensor, b: Tensor, x: Tensor, other: Tensor, log_x: Tensor, log_other: Tensor) -> Tensor:
    """P, from Stirling's formula for A = a + steps and B = b + steps, expanded around their mean A/(A + B)."""
    top_a, top_b = a + k.steps, b + k.steps
    top = top_a + top_b
    product = (top_a * top_b / (2 * math.pi * top)).sqrt()
    up_a, up_b = top / top_a, top / top_b
    for n in range(k.steps):
        product = product * ((a + n) * up_a / (a + b + n)) * ((b + n) * up_b / (top_a + b + n))
    shift = x * top_b - top_a * other
    exponent = a * _log_ratio(shift / top_a, log_x, up_a) + b * _log_ratio(-shift / top_b, log_other, up_b)
    correction = _stirling(k, top) - _stirling(k, top_a) - _stirling(k, top_b)
    return product * (exponent + correction).exp()


def _log_ratio(excess: Tensor, log: Tensor, factor: Tensor) -> Tensor:
    """ln(1 + excess) = log + ln(factor); the second form is used where ``excess`` is inaccurate."""
    near = excess.abs() < 0.5
    return torch.where(near, torch.where(near, excess, 0.0).log1p(), log + factor.log())


def _stirling(k: BetaRule, x: Tensor) -> Tensor:
    """ln Γ(x) − ((x − 1/2) ln x − x + ln(2π)/2)."""
    inverse = 1 / x
    return inverse * horner(STIRLING_TERMS[: k.terms], inverse * inverse)
