"""Reference values for the von Mises derivative and CDF: writes von_mises.json, rows [kappa, z, dz/dkappa, CDF].

The inputs are float32-representable. Both quantities solve first-order linear equations in C = cos²(z/2) or S = sin²(z/2):

    dz/dκ = −sin z H,               (2n + 1) hₙ = (2n − 4κ) hₙ₋₁ + 4κ hₙ₋₂ + (1 + A) δₙ₀ − 2 δₙ₁      in powers of C,
    ∫_0^z e^{κ(cos t − cos z)} dt = sin z Σ fₙ Sⁿ,  (2n + 1) fₙ = (2n + 4κ) fₙ₋₁ − 4κ fₙ₋₂ + δₙ₀,

and the same with κ → −κ, S → C for ∫_z^π. They are summed with the digits that the cancellation, e^{2κC} or e^{2κS}, takes.
For κ C > 50, H is its expansion in 1/κ, whose coefficients are polynomials in 1/C.

Usage: python -m tests.truth.von_mises [check]     (``check`` compares a sample of the rows with numerical integration)
"""

import json
import sys
from fractions import Fraction
from pathlib import Path

import mpmath as mp
import numpy as np

mp.mp.dps = 45
ORDERS = 60  # of the expansions in 1/κ
FAR = 50  # κ C from which they are used


def ratio_expansion():
    """aₙ in 1 − I1(κ)/I0(κ) = Σ aₙ κ⁻ⁿ, n ≥ 1, from DLMF 10.40.1."""

    def hankel(order):
        terms = [Fraction(1)]
        for k in range(1, ORDERS + 1):
            terms.append(-terms[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
        return terms

    zero, one = hankel(0), hankel(1)
    ratio = []
    for k in range(ORDERS + 1):
        ratio.append(one[k] - sum(ratio[j] * zero[k - j] for j in range(k)))
    return [-value for value in ratio[1:]]


def derivative_expansion(a):
    """Polynomials eₙ in w = 1/C with H = Σ eₙ κ⁻ⁿ; 4(w − 1)/w² eₙ₊₁ = −aₙ + (2/w − 1) eₙ + 2(w − 1) eₙ'."""
    e = [Fraction(0), Fraction(1, 2)]
    expansion = [e]
    for n in range(1, ORDERS):
        right = [Fraction(0)] * (len(e) + 1)
        right[0] -= a[n - 1]
        for i in range(1, len(e)):
            right[i - 1] += (2 - 2 * i) * e[i]
            right[i] += (2 * i - 1) * e[i]
        quotient, carry = [Fraction(0)] * len(e), Fraction(0)
        for i in reversed(range(1, len(e) + 1)):  # the division by w − 1 leaves no rest
            carry += right[i]
            quotient[i - 1] = carry
        e = [Fraction(0), Fraction(0), *(value / 4 for value in quotient)]
        while e[-1] == 0:
            e.pop()
        expansion.append(e)
    return expansion


_RATIO = ratio_expansion()
_DERIVATIVE = [[mp.mpf(x.numerator) / x.denominator for x in e] for e in derivative_expansion(_RATIO)]


def one_minus_ratio(k):
    """1 − I1(κ)/I0(κ)."""
    k = mp.mpf(k)
    if k > 3000:
        return mp.fsum(mp.mpf(a.numerator) / a.denominator / k ** (n + 1) for n, a in enumerate(_RATIO[:20]))
    with mp.workdps(mp.mp.dps + 20):
        return 1 - mp.besseli(1, k) / mp.besseli(0, k)


def scaled_i0(k):
    """I0(κ) e^{−κ}."""
    k = mp.mpf(k)
    if k > 3000:
        terms = (mp.rf(mp.mpf(1) / 2, n) ** 2 / mp.factorial(n) / (2 * k) ** n for n in range(25))
        return mp.fsum(terms) / mp.sqrt(2 * mp.pi * k)
    return mp.besseli(0, k) * mp.exp(-k)


def derivative_over_sine(k, c):
    """H = −(dz/dκ)/sin z as a function of κ and C = cos²(z/2)."""
    k, c = mp.mpf(k), mp.mpf(c)
    if k * c > FAR:
        total = mp.mpf(0)
        for n, e in enumerate(_DERIVATIVE):
            term = mp.polyval(e[::-1], 1 / c) / k ** (n + 1)
            total += term
            if abs(term) < abs(total) * mp.mpf(10) ** -42:
                return total
        return total
    with mp.workdps(50 + int(2 * k * c) + int(2 * min(k, 60))):
        ratio = 1 - one_minus_ratio(k)
        before, now, power = 1 + ratio, ((2 - 4 * k) * (1 + ratio) - 2) / 3, c
        total, n = before + now * power, 1
        while n < 8 or n < 2 * k * c or abs(now * power) > abs(total) * mp.mpf(10) ** -45:
            n, power = n + 1, power * c
            before, now = now, ((2 * n - 4 * k) * now + 4 * k * before) / (2 * n + 1)
            total += now * power
        return +total


def tail_ratio(k, z):
    """∫_z^π e^{κ(cos t − cos z)} dt for 0 ≤ z ≤ π, from the nearer of the two ends."""
    k, z = mp.mpf(k), mp.mpf(z)
    central = z < mp.pi / 2
    s = mp.sin(z / 2) ** 2 if central else mp.cos(z / 2) ** 2
    with mp.workdps(55 + int(2 * k * s)):
        x = mp.sin(z / 2) ** 2 if central else mp.cos(z / 2) ** 2
        rate = 4 * k if central else -4 * k
        before, now, total, power, n = mp.mpf(0), mp.mpf(1), mp.mpf(1), mp.mpf(1), 0
        while n < 8 or n < 2 * k * s or abs(now * power) > abs(total) * mp.mpf(10) ** (4 - mp.mp.dps):
            n, power = n + 1, power * x
            before, now = now, ((2 * n + rate) * now - rate * before) / (2 * n + 1)
            total += now * power
        total *= mp.sin(z)
        if central:
            total = mp.pi * scaled_i0(k) * mp.exp(2 * k * x) - total
        return +total


def upper_tail(k, z):
    """1 − F(z) for 0 ≤ z ≤ π."""
    return tail_ratio(k, z) * mp.exp(-2 * mp.mpf(k) * mp.sin(mp.mpf(z) / 2) ** 2) / (2 * mp.pi * scaled_i0(k))


def row(k, z):
    """[κ, z, dz/dκ, F(z)]."""
    tail = upper_tail(k, abs(z))
    cdf = tail if z < 0 else 1 - tail
    grad = -mp.sin(mp.mpf(z)) * derivative_over_sine(k, mp.cos(mp.mpf(z) / 2) ** 2)
    return [k, z, float(grad), float(cdf)]


def integrated(k, z):
    """The row again, by numerical integration of the definitions."""
    k, z = mp.mpf(k), mp.mpf(z)
    with mp.workdps(60 + int(k)):
        ratio = 1 - one_minus_ratio(k)
        ends = mp.linspace(0, z, 12)
        weight = [lambda t: mp.exp(k * (mp.cos(t) - mp.cos(z))), lambda t: mp.exp(k * (mp.cos(t) - 1))]
        grad = -mp.quad(lambda t: (mp.cos(t) - ratio) * weight[0](t), ends)
        half = mp.quad(weight[1], mp.linspace(0, mp.pi, 24))
        return [k, z, grad, mp.mpf(1) / 2 + mp.quad(weight[1], ends) / (2 * half)]


def inputs():
    """(κ, z): quantiles and tails of the distribution, the whole circle for κ < 20, and extremes of κ."""
    kappas = [*np.logspace(-3, 5, 41), 1e-6, 1e-4, 1e6, 1e8, 1e10]
    for index, k in enumerate(kappas):
        k = float(np.float32(k))
        reach = min(3.1415925, 6.4 / np.sqrt(k)) if k > 12 else 3.1415925
        fractions = [0.003, 0.05, 0.13, 0.25, 0.36, 0.47, 0.58, 0.69, 0.8, 0.9, 0.97, 0.999, 1.0]
        for j, fraction in enumerate(fractions):
            z = float(np.float32(reach * fraction))
            yield k, z if (index + j) % 2 else -z


def main():
    rows = [row(k, z) for k, z in inputs()]
    Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    print(len(rows), "rows")
    if "check" in sys.argv:
        sample = [r for r in rows if 1e-4 <= r[0] < 300][::9]
        worst = [0.0, 0.0]
        for r in sample:
            other = integrated(r[0], r[1])
            for i in (0, 1):
                worst[i] = max(worst[i], abs(float(other[2 + i] / r[2 + i] - 1)))
        print(f"{len(sample)} rows by integration: largest relative differences {worst[0]:.1e}, {worst[1]:.1e}")


if __name__ == "__main__":
    main()
