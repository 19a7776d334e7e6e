"""Automatic differentiation of the distribution function, divided by the density: how the paper computes dz/dφ.

Series and continued fractions are evaluated together with their derivatives, as a forward-mode differentiator would do.
Dividing by the density is done in closed form, so that exponential factors cancel. Each loop runs until every element has
converged, and drops converged elements from time to time. It stops after 20,000 steps at the latest, more than the power series
of the Gamma takes at the mode for a = 1e6.

Source: Figurnov, Mohamed & Mnih (2018); Gamma by Bhattacharjee (1970) and Moore (1982), the tails of Student's t by
Didonato & Morris (1992), von Mises by Hill (1977).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# one step of a loop: (number of the step, constants, state) -> (new state, whether each element has converged)
Step = Callable[[int, Sequence[Tensor], Sequence[Tensor]], tuple[Sequence[Tensor], Tensor]]
_MOST_STEPS = 20_000
_BETWEEN_CHECKS = 8
# Student's t: the y below which ln(1 + q) − y is a power series, and its last power
_SMALL, _LOG_TERMS = 0.15, 20
# ψ(a + 1/2) − ψ(a) − 1/(2a): the steps to a large a, and the coefficients of a⁻², a⁻⁴, … there
_DIGAMMA_STEPS = 12
_DIGAMMA_SERIES = (1 / 8, -1 / 64, 1 / 128, -17 / 2048, 31 / 2048, -691 / 16384)
# Hill's series, and the κ from which he uses a normal approximation
_SERIES_TERMS = 20
_NORMAL_FROM = 10.5


def gamma_autodiff(a: Tensor, z: Tensor) -> Tensor:
    """dz/da of z ~ Gamma(a, 1): by the continued fraction of Q where z > 1 and z > a, else by the power series of P."""
    upper = (z > 1) & (z > a)
    result = torch.empty_like(z)
    result[~upper] = _gamma_series(a[~upper], z[~upper])
    result[upper] = _gamma_fraction(a[upper], z[upper])
    return result


def beta_autodiff(a: Tensor, b: Tensor, z: Tensor) -> Tensor:
    """dz/da of z ~ Beta(a, b): by the continued fraction of I where z < (a + 1)/(a + b + 2), else of 1 − I (DLMF 8.17.22)."""
    lower = z * (a + b + 2) < a + 1
    first, second = torch.where(lower, a, b), torch.where(lower, b, a)
    x = torch.where(lower, z, 1 - z)
    h, dh = _beta_fraction(first, second, x, lower)
    total = torch.digamma(a + b) - torch.digamma(a)
    # d/da of the logarithm of x^a (1 − x)^b / (first B(a, b))
    log_slope = z.log() + total - torch.where(lower, 1 / a, 0.0)
    side = torch.where(lower, -1.0, 1.0).to(z.dtype)
    return side * z * (1 - z) / first * (log_slope * h + dh)


def student_t_autodiff(df: Tensor, t: Tensor) -> Tensor:
    """dt/d(df) by a power series of F − 1/2 for small |t|, else by a continued fraction of the tail beyond |t|.

    Both are t p(t) times a function h of df and y = t²/(df + t²), with the density p, and every derivative is that by df at
    fixed t. The terms of these derivatives are as small as the result, 1/df², where those of I_w(df/2, 1/2) at fixed
    w = 1 − y are of order 1/df and cancel.
    """
    q = t * (t / df)
    w = 1 / (1 + q)
    y = torch.where(q < 1, q * w, 1 / (1 + 1 / q))
    slope = _student_t_log_density_slope(df, t, q, y)
    central = y * (df + 12) < 6
    result = torch.empty_like(t)
    for chosen, function in ((central, _student_t_series), (~central, _student_t_fraction)):
        h, dh = function(df[chosen], y[chosen], w[chosen])
        result[chosen] = -t[chosen] * (h * slope[chosen] + dh)
    return result


def von_mises_autodiff(concentration: Tensor, z: Tensor) -> Tensor:
    """dz/dκ of z ~ vM(0, κ) by Hill's Algorithm 518: 20 terms of a series, and a normal approximation from κ = 10.5."""
    slope = torch.where(
        concentration < _NORMAL_FROM,
        _von_mises_series_slope(concentration.clamp(max=_NORMAL_FROM), z),
        _von_mises_normal_slope(concentration.clamp(min=_NORMAL_FROM), z),
    )
    # κ(cos z − 1) without its cancellation at small z
    density = (-2 * concentration * (0.5 * z).sin() ** 2).exp() / (2 * math.pi * torch.special.i0e(concentration))
    return -slope / density


def _gamma_series(a: Tensor, z: Tensor) -> Tensor:
    """P = zᵃ e^−z/Γ(a + 1) Σ cₙ, c₀ = 1, cₙ = cₙ₋₁ z/(a + n)."""
    eps = torch.finfo(z.dtype).eps

    def step(n: int, constants: Sequence[Tensor], state: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
        (a, z), (c, dc, total, dtotal) = constants, state
        inverse = 1 / (a + n)
        factor = z * inverse
        dc = factor * (dc - c * inverse)
        c = factor * c
        return (c, dc, total + c, dtotal + dc), (c <= eps * total) & (dc.abs() <= eps * dtotal.abs())

    one, zero = torch.ones_like(z), torch.zeros_like(z)
    _, _, total, dtotal = _iterate(step, (a, z), (one, zero, one, zero))
    return -z / a * ((z.log() - torch.digamma(a + 1)) * total + dtotal)


def _gamma_fraction(a: Tensor, z: Tensor) -> Tensor:
    """Q = zᵃ e^−z/Γ(a) · 1/(z + 1 − a − 1(1 − a)/(z + 3 − a − 2(2 − a)/…)), DLMF 8.9.2, by its convergents."""
    eps = torch.finfo(z.dtype).eps

    def step(n: int, constants: Sequence[Tensor], state: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
        (a, z), (p0, q0, dp0, dq0, p1, q1, dp1, dq1, value, slope) = constants, state
        top, bottom = n * (a - n), z + (2 * n + 1) - a
        p, q = bottom * p1 + top * p0, bottom * q1 + top * q0
        dp = bottom * dp1 + top * dp0 - p1 + n * p0
        dq = bottom * dq1 + top * dq0 - q1 + n * q0
        return _next_convergent((p1, q1, dp1, dq1), (p, q, dp, dq), (value, slope), eps)

    one, zero = torch.ones_like(z), torch.zeros_like(z)
    b = z + 1 - a
    start = (zero, one, zero, zero, one, b, zero, -one, 1 / b, 1 / (b * b))
    *_, value, slope = _iterate(step, (a, z), start)
    return z * ((z.log() - torch.digamma(a)) * value + slope)


def _next_convergent(
    before: Sequence[Tensor], latest: Sequence[Tensor], found: Sequence[Tensor], eps: float
) -> tuple[Sequence[Tensor], Tensor]:
    """The state of a continued fraction after a step, and which elements have converged.

    Args:
        before: numerator p and denominator q of the convergent before, and their derivatives.
        latest: those of the convergent of this step.
        found: p/q and its derivative before this step.
        eps: relative change from which on they count as converged.
    """
    p, q, dp, dq = latest
    value = p / q
    slope = (dp - value * dq) / q
    # the slope is a difference, only as accurate as its terms
    size = slope.abs() + (value * dq / q).abs()
    done = ((value - found[0]).abs() <= eps * value.abs()) & ((slope - found[1]).abs() <= eps * size)
    scale = 1 / q  # prevents overflow
    old = (part * scale for part in before)
    return (*old, value, torch.ones_like(q), dp * scale, dq * scale, value, slope), done


def _beta_fraction(a: Tensor, b: Tensor, x: Tensor, in_first: Tensor) -> tuple[Tensor, Tensor]:
    """h = 1/(1 + d₁/(1 + d₂/…)) and its derivative in a, where ``in_first``, or else in b."""
    eps = 4 * torch.finfo(x.dtype).eps  # the last digits keep changing
    da, db = in_first.to(x.dtype), 1 - in_first.to(x.dtype)

    def step(m: int, constants: Sequence[Tensor], state: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
        a, b, x, da, db = constants
        p0, q0, dp0, dq0, p1, q1, dp1, dq1, value, slope = state
        k = m - 1
        odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))
        odd_log = da / (a + k) + (da + db) / (a + b + k) - da / (a + 2 * k) - da / (a + 2 * k + 1)
        even = m * x / ((a + 2 * m - 1) * (a + 2 * m))
        even_slope = even * (db - (b - m) * (da / (a + 2 * m - 1) + da / (a + 2 * m)))
        for d, dd in ((odd, odd * odd_log), (even * (b - m), even_slope)):
            p, q = p1 + d * p0, q1 + d * q0
            dp, dq = dp1 + d * dp0 + dd * p0, dq1 + d * dq0 + dd * q0
            scale = 1 / q
            p0, q0, dp0, dq0 = (part * scale for part in (p1, q1, dp1, dq1))
            p1, q1, dp1, dq1 = (part * scale for part in (p, q, dp, dq))
        new_slope = dp1 - p1 * dq1
        size = new_slope.abs() + (p1 * dq1).abs()
        done = ((p1 - value).abs() <= eps * p1.abs()) & ((new_slope - slope).abs() <= eps * size)
        return (p0, q0, dp0, dq0, p1, q1, dp1, dq1, p1, new_slope), done

    one, zero = torch.ones_like(x), torch.zeros_like(x)
    start = (zero, one, zero, zero, one, one, zero, zero, one, zero)
    *_, value, slope = _iterate(step, (a, b, x, da, db), start)
    return value, slope


def _student_t_log_density_slope(df: Tensor, t: Tensor, q: Tensor, y: Tensor) -> Tensor:
    """∂ln p/∂(df) at fixed t, (ψ(a + 1/2) − ψ(a) − 1/(2a) − (ln(1 + q) − y) + y/df)/2 with a = df/2, q = t²/df."""
    # ln(1 + q) = −ln(1 − y); √(df + t²) does not overflow where q does
    log = torch.where(q < 1, q.log1p(), 2 * torch.hypot(df.sqrt(), t).log() - df.log())
    small = y.clamp(max=_SMALL)
    series = torch.zeros_like(y)
    for n in range(_LOG_TERMS, 1, -1):
        series = (series + 1 / n) * small
    rest = torch.where(y < _SMALL, series * small, log - y)
    return 0.5 * (_digamma_half_step(df / 2) - rest + y / df)


def _digamma_half_step(a: Tensor) -> Tensor:
    """ψ(a + 1/2) − ψ(a) − 1/(2a), by its recurrence, 1/(4a(a + 1/2)(a + 1)) more than at a + 1, and its asymptotic series."""
    total = torch.zeros_like(a)
    for _ in range(_DIGAMMA_STEPS):
        total = total + 0.25 / (a * (a + 0.5) * (a + 1))
        a = a + 1
    inverse, series = 1 / (a * a), torch.zeros_like(a)
    for coefficient in reversed(_DIGAMMA_SERIES):
        series = (series + coefficient) * inverse
    return total + series


def _student_t_series(df: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """h and ∂h/∂(df) of F − 1/2 = t p h, h = Σ cₙ, c₀ = 1, cₙ = cₙ₋₁ (df + 2n − 1)/(2n + 1) y (DLMF 8.17.8)."""
    eps = torch.finfo(y.dtype).eps

    def step(n: int, constants: Sequence[Tensor], state: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
        (df, y, slope), (c, dc, total, dtotal) = constants, state
        scaled = y / (2 * n + 1)
        factor = (df + (2 * n - 1)) * scaled
        dc = factor * dc + c * scaled * (y - (2 * n - 1) * slope)
        c = factor * c
        return (c, dc, total + c, dtotal + dc), (c <= eps * total) & (dc.abs() <= eps * dtotal.abs())

    one, zero = torch.ones_like(y), torch.zeros_like(y)
    _, _, total, dtotal = _iterate(step, (df, y, w / df), (one, zero, one, zero))  # dy/d(df) = −y w/df
    return total, dtotal


def _student_t_fraction(df: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """h and ∂h/∂(df) of F − 1 = t p h, t > 0, by the continued fraction of I_w(a, 1/2), a = df/2, with 1 − w given.

    h = −1/(2 (β₀ + α₁/(β₁ + α₂/(β₂ + …)))), b = 1/2, λ = a − (a + b) w = (a + b) y − b,
    αₙ = (a + n − 1)(a + b + n − 1)/(a + 2n − 1)² n (b − n) w²,
    βₙ = n + n (b − n) w/(a + 2n − 1) + (a + n)/(a + 2n + 1) (1 + λ + n (1 + y)).

    Source: Didonato & Morris (1992), the function BFRAC of Algorithm 708.
    """
    eps = 4 * torch.finfo(y.dtype).eps  # the last digits keep changing

    def beta(n: int, a: Tensor, y: Tensor, w: Tensor, dw: Tensor) -> tuple[Tensor, Tensor]:
        """βₙ and its derivative by df."""
        k, end = n * (0.5 - n), 1 / (a + (2 * n + 1))
        share, rest = (a + n) * end, 0.5 + n + (a + (0.5 + n)) * y
        middle = 1 / (a + (2 * n - 1)) if n else torch.zeros_like(a)
        value = n + k * w * middle + share * rest
        drest = 0.5 * y * y - (0.5 + n) * dw
        return value, k * middle * (dw - 0.5 * w * middle) + 0.5 * (n + 1) * end * end * rest + share * drest

    def step(n: int, constants: Sequence[Tensor], state: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
        a, y, w, dlog = constants
        p0, q0, dp0, dq0, p1, q1, dp1, dq1, value, slope = state
        first, second, middle = a + (n - 1), a + (n - 0.5), 1 / (a + (2 * n - 1))
        alpha = first * second * (middle * w) ** 2 * (n * (0.5 - n))
        # the logarithm's derivative; 1/first + 1/second − 2/(a + 2n − 1) cancels as it stands
        dalpha = alpha * (0.5 * middle * (n / first + (n - 0.5) / second) + 2 * dlog)
        bottom, dbottom = beta(n, a, y, w, w * dlog)
        p, q = bottom * p1 + alpha * p0, bottom * q1 + alpha * q0
        dp = bottom * dp1 + alpha * dp0 + dbottom * p1 + dalpha * p0
        dq = bottom * dq1 + alpha * dq0 + dbottom * q1 + dalpha * q0
        return _next_convergent((p1, q1, dp1, dq1), (p, q, dp, dq), (value, slope), eps)

    a, dlog = 0.5 * df, y / df  # ∂ln w/∂(df) at fixed t
    one, zero = torch.ones_like(y), torch.zeros_like(y)
    b, db = beta(0, a, y, w, w * dlog)
    start = (zero, one, zero, zero, one, b, zero, db, 1 / b, -db / (b * b))
    *_, value, slope = _iterate(step, (a, y, w, dlog), start)
    return -0.5 * value, -0.5 * slope


def _iterate(step: Step, constants: Sequence[Tensor], state: Sequence[Tensor]) -> list[Tensor]:
    """Runs steps 1, 2, … until every element has converged, at most ``_MOST_STEPS``; returns the final state."""
    final = [part.clone() for part in state]
    index = torch.arange(len(state[0]), device=state[0].device)
    for n in range(1, _MOST_STEPS + 1):
        state, done = step(n, constants, state)
        if n % _BETWEEN_CHECKS and n < _MOST_STEPS:
            continue
        for whole, part in zip(final, state, strict=True):
            whole[index] = part
        going = (~done).nonzero().squeeze(-1)
        if not len(going):
            break
        if len(going) < 0.8 * len(index):
            index, state = index[going], [part[going] for part in state]
            constants = [part[going] for part in constants]
    return final


def _von_mises_series_slope(concentration: Tensor, z: Tensor) -> Tensor:
    """∂F/∂κ of F = 1/2 + (z/2 + V)/π, V = R₁(sin z + R₂(sin 2z/2 + …)), Rₙ = Iₙ/Iₙ₋₁ = 1/(2n/κ + Rₙ₊₁)."""
    ratio, dratio, total, dtotal = (torch.zeros_like(z) for _ in range(4))
    for n in range(_SERIES_TERMS, 0, -1):
        ratio = 1 / (2 * n / concentration + ratio)
        dratio = ratio * ratio * (2 * n / (concentration * concentration) - dratio)
        inner = (n * z).sin() / n + total
        total, dtotal = ratio * inner, dratio * inner + ratio * dtotal
    return dtotal / math.pi


def _von_mises_normal_slope(concentration: Tensor, z: Tensor) -> Tensor:
    """∂F/∂κ of F = Φ(ξ), ξ = y − y³/((C − 2y² − 16)/3 − (y⁴ + 7y²/4 + 167/2)/(C − 56 − y² + 3))², C = 24κ."""

    def normal(kappa: Tensor) -> Tensor:
        y = math.sqrt(2 / math.pi) / torch.special.i0e(kappa) * (0.5 * z).sin()
        c, square = 24 * kappa, y * y
        bracket = (c - 2 * square - 16) / 3 - (square * square + 1.75 * square + 83.5) / (c - 53 - square)
        return y - y * square / (bracket * bracket)

    value, slope, *_ = torch.func.jvp(normal, (concentration,), (torch.ones_like(concentration),))
    return (-0.5 * value * value).exp() / math.sqrt(2 * math.pi) * slope
