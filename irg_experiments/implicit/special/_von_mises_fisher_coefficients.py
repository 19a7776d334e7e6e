"""Coefficients for ``von_mises_fisher.py``: the large-order series of the Bessel ratio, and the nodes of the integration.

For r(κ) = I_{N+1}(κ)/I_N(κ), z = κ/N and p = 1/√(1 + z²), the logarithmic derivative of I_N,

    N + κ r = κ I_N'(κ)/I_N(κ) = N (1/p + Σ y_k(p)/N^k),    k = 1 … 14,

solves the Riccati equation κ y' + y² = N² + κ², which determines the polynomials y_k in turn (θ = κ d/dκ = −p(1 − p²) d/dp):

    y_k = p/2 · (−θ y_{k−1} − Σ y_i y_{k−i}).

The series is uniform in κ ≥ 0 (Debye 1909; DLMF 10.41). Factors that vanish as κ → 0 or κ → ∞ are divided out here, in exact
fractions: each y_k has the factor 1 − p², and the series derived from them have the factors of p stated in ``BesselSeries``.
"""

import functools
import math
from fractions import Fraction
from typing import NamedTuple

from irg_experiments.implicit.private_torch import constant_when_traced

_TERMS = 14
# the smallest N; with 14 terms the series then has the accuracy of float64
_LEAST_ORDER = 18.0

_Polynomial = list[Fraction]


class BesselSeries(NamedTuple):
    """r and related quantities at the order N, as polynomials in p by ascending powers."""

    order: float  # N
    steps: tuple[float, ...]  # 2ν + 2 of the recurrence in ν, from N − 1 down to d/2 − 1
    ratio: tuple[float, ...]  # c:  r = z (p/(1 + p) − p² c)
    slope: tuple[float, ...]  # e:  r' = p²/(N (1 + p)) · (1 + (1 + p) e)
    curvature: tuple[float, ...]  # f:  r'' = −z p⁴/(N² (1 + p)²) · (2 + p − (1 + p) f)
    integral: tuple[float, ...]  # l:  ∫₀^κ r = N (s − 1 − ln((1 + s)/2)) − ln(s)/2 + (1 − p) l,  s = 1/p


@constant_when_traced
def bessel_series(dimension: int) -> BesselSeries:
    """The series at the order from which the recurrence leads down to the ratio I_{d/2}/I_{d/2−1} of dimension d."""
    return _bessel_series(dimension)


@functools.cache
def _bessel_series(dimension: int) -> BesselSeries:
    target = dimension / 2 - 1
    count = max(0, math.ceil(_LEAST_ORDER - target))
    order = target + count
    steps = tuple(2 * (target + j) + 2 for j in reversed(range(count)))
    return BesselSeries(order, steps, *(_summed(family, order) for family in _families()))


@functools.cache
def legendre_rule(count: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of Gauss–Legendre integration on [0, 1]; the nodes are found by Newton's method."""
    rule = []
    for index in range(count):
        x = math.cos(math.pi * (index + 0.75) / (count + 0.5))
        for _ in range(6):
            before, value = 1.0, x
            for n in range(2, count + 1):
                before, value = value, ((2 * n - 1) * x * value - (n - 1) * before) / n
            slope = count * (before - x * value) / (1 - x * x)
            x -= value / slope
        rule.append(((1 - x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return tuple(rule)


def _multiply(a: _Polynomial, b: _Polynomial) -> _Polynomial:
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            if x and y:
                product[i + j] += x * y
    return product


def _add(a: _Polynomial, b: _Polynomial, factor: int = 1) -> _Polynomial:
    """a + factor · b."""
    size = max(len(a), len(b))
    a, b = ([*terms, *[Fraction(0)] * (size - len(terms))] for terms in (a, b))
    return [x + factor * y for x, y in zip(a, b, strict=True)]


def _divide_by_one_minus_p(a: _Polynomial) -> _Polynomial:
    quotient = [a[0]]
    for x in a[1:]:
        quotient.append(x + quotient[-1])
    if quotient.pop() != 0:
        raise ArithmeticError("the polynomial has no factor 1 − p")
    return quotient


def _divide_by_one_minus_square(a: _Polynomial) -> _Polynomial:
    once = _divide_by_one_minus_p(a)
    # divide by 1 + p as by 1 − p with the sign of p changed
    mirrored = _divide_by_one_minus_p([x * (-1) ** j for j, x in enumerate(once)])
    return [x * (-1) ** j for j, x in enumerate(mirrored)]


def _theta(a: _Polynomial) -> _Polynomial:
    """κ d/dκ."""
    derivative = [j * a[j] for j in range(1, len(a))]
    return _multiply([Fraction(0), Fraction(-1), Fraction(0), Fraction(1)], derivative)


def _logarithmic_derivative() -> list[_Polynomial]:
    """y_1, y_2, …"""
    y: list[_Polynomial] = [[Fraction(-1, 2), Fraction(0), Fraction(1, 2)]]
    while len(y) < _TERMS:
        total = [-x for x in _theta(y[-1])]
        for a, b in zip(y, reversed(y), strict=True):
            total = _add(total, _multiply(a, b), -1)
        y.append([Fraction(0), *(x / 2 for x in total)])
    return y


@functools.cache
def _families() -> tuple[list[list[float]], ...]:
    """The terms of c, e, f and l of ``BesselSeries``, by the power of 1/N that multiplies them, from 1."""
    ratio, slope, curvature, integral = [], [], [], []
    for k, y in enumerate(_logarithmic_derivative(), 1):
        ratio.append([-x for x in _divide_by_one_minus_square(y)])
        # κ² r' = θy − y, and κ³ r'' = θ(κ² r') − 2 κ² r'
        grown = _add(_theta(y), y, -1)
        slope.append(_divide_by_one_minus_square(grown))
        rest = _divide_by_one_minus_square(_add(_theta(grown), grown, -2))
        curvature.append(_divide_by_one_minus_p(rest))
        # ∫ y_k dκ/κ = ∫ c_k dp/p, zero at p = 1; for c_1 it is ln(p)/2; N times it is multiplied by 1/N^(k − 1)
        if k > 1:
            terms = [x / j for j, x in enumerate(ratio[-1]) if j > 0]
            integral.append(_divide_by_one_minus_p([-sum(terms, Fraction(0)), *terms]))
    return tuple([[float(x) for x in terms] for terms in family] for family in (ratio, slope, curvature, integral))


def _summed(family: list[list[float]], order: float) -> tuple[float, ...]:
    total = [0.0] * max(map(len, family))
    for k, terms in enumerate(family, 1):
        for j, x in enumerate(terms):
            total[j] += x / order**k
    return tuple(total)
