"""Automatic differentiation of the distribution function, divided by the density: how the paper computes dz/dφ.

Series and continued fractions are evaluated together with their derivatives, as a forward-mode differentiator would do.
Dividing by the density is done in closed form, so that exponential factors cancel. Each loop runs until every element has
converged, and drops converged elements from time to time.

Source: Figurnov, Mohamed & Mnih (2018); Gamma by Bhattacharjee (1970) and Moore (1982), von Mises by Hill (1977).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# one step of a loop: (number of the step, constants, state) -> (new state, whether each element has converged)
Step = Callable[[int, Sequence[Tensor], Sequence[Tensor]], tuple[Sequence[Tensor], Tensor]]
_MOST_STEPS = 2000
_BETWEEN_CHECKS = 8
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
    """dt/d(df) by I_w(df/2, 1/2), w = df/(df + t²), which is twice the probability of the tail beyond |t|."""
    square = t * t
    total = df + square
    dw = beta_autodiff(df / 2, torch.full_like(df, 0.5), df / total)
    return t / (2 * df) - total * total / (4 * t * df) * dw


def von_mises_autodiff(concentration: Tensor, z: Tensor) -> Tensor:
    """dz/dκ of z ~ vM(0, κ) by Hill's Algorithm 518: 20 terms of a series, and a normal approximation from κ = 10.5."""
    slope = torch.where(
        concentration < _NORMAL_FROM,
        _von_mises_series_slope(concentration.clamp(max=_NORMAL_FROM), z),
        _von_mises_normal_slope(concentration.clamp(min=_NORMAL_FROM), z),
    )
    density = (concentration * (z.cos() - 1)).exp() / (2 * math.pi * torch.special.i0e(concentration))
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
        new = p / q
        new_slope = (dp - new * dq) / q
        # the slope is a difference, only as accurate as its terms
        size = new_slope.abs() + (new * dq / q).abs()
        done = ((new - value).abs() <= eps * new.abs()) & ((new_slope - slope).abs() <= eps * size)
        scale = 1 / q  # prevents overflow
        old = (part * scale for part in (p1, q1, dp1, dq1))
        return (*old, new, torch.ones_like(q), dp * scale, dq * scale, new, new_slope), done

    one, zero = torch.ones_like(z), torch.zeros_like(z)
    b = z + 1 - a
    start = (zero, one, zero, zero, one, b, zero, -one, 1 / b, 1 / (b * b))
    *_, value, slope = _iterate(step, (a, z), start)
    return z * ((z.log() - torch.digamma(a)) * value + slope)


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
    for n in range(_SERIES_TERMS - 1, 0, -1):
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
