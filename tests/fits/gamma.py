"""Fits the polynomials of irg_experiments/implicit/special/gamma.py.

The main one, in the notation of the module docstring of gamma.py, is

    R(s, z) = s (D(s, z) - D0(u)),    u = z / (s + C),    D0(u) = u ln(u) / (u - 1),

as a polynomial in x = 1/(1 + sqrt(u)) - 1/2 and v = 1/(s + B).  The data are
computed with mpmath.  The fit is by weighted least squares in a Chebyshev product
basis, re-weighted towards the minimax fit, and solved in double precision with the
residual refined in extended precision.  The weights make the residual the relative
error that R causes in the final derivative.

The second, psi(s) - ln(s + C) in powers of v, is interpolated at Chebyshev nodes.

Usage: OMP_NUM_THREADS=1 python -m tests.fits.gamma, which rewrites irg_experiments/implicit/special/_gamma_coefficients.py
"""

import math
import sys

import mpmath as mp
import numpy as np
from scipy.special import gammainccinv, gammaincinv

from tests.fits.polynomials import (
    DIGITS,
    extended,
    interpolate,
    minimax,
    monomials,
    nodes,
    numbers,
    table,
    triangle,
    write_tables,
)

# Steps of recurrence, boundary z = edge + slope a, constants C and B, number of
# powers of v in psi, weight of the points beyond the draws, and the number of
# powers of x that go with each power of v.
SETTINGS = {
    "float32": {
        "steps": 4,
        "edge": 0.5,
        "slope": 0.5,
        "c": 2.0,
        "b": 1.25,
        "psi_terms": 8,
        "far": 1e-4,
        "rows": [11, 10, 7, 5, 4, 3],
    },
    "float64": {
        "steps": 8,
        "edge": 2.5,
        "slope": 0.5,
        "c": 2.25,
        "b": 1.25,
        "psi_terms": 11,
        "far": 1e-10,
        "rows": [17, 15, 14, 11, 10, 9, 7, 7, 6, 5, 3, 3, 2, 2, 1],
    },
}
mp.mp.dps = 40
TAIL = 1e-13  # smallest tail probability that the fit is asked to cover


def derivative(a, z, digits=30):
    """dz/da at fixed P(a, z), by sum z^(n+1)/(a)_(n+1) (psi(a+n+1) - ln z)."""
    ratio = float(z) / float(a)
    lost = float(a) * (ratio - 1 - math.log(ratio)) / math.log(10) if ratio > 1 else 0
    lost += 0.5 * math.log10(1 + float(a))
    with mp.workdps(digits + 15 + int(1.05 * lost)):
        a, z = mp.mpf(a), mp.mpf(z)
        bracket = mp.digamma(a + 1) - mp.log(z)
        power = z / a
        total, n, eps = power * bracket, 1, mp.mpf(10) ** (-mp.mp.dps + 5)
        while True:
            step = 1 / (a + n)
            power *= z * step
            bracket += step
            total += power * bracket
            n += 1
            if a + n > z and power * max(1, abs(bracket)) < eps * abs(total):
                return +total


def shapes():
    a = 1 / nodes(0.0, 1.0, 44) - 1
    return [1e-8, *(float(t) for t in a if 1e-6 < t < 2000), 5e3]


def right_points(edge, slope):
    """(s, z, D, weight) where the polynomial is used at the shape itself."""
    for a in shapes():
        top = gammainccinv(max(a, 1e-3), TAIL)
        low = max(slope * a + edge, gammaincinv(a, TAIL))
        for z in np.exp(nodes(math.log(low + 0.3), math.log(top + 0.3), 40)) - 0.3:
            d = derivative(a, float(z))
            yield a, float(z), d, 1 / (mp.mpf(a) * d)


def left_points(edge, slope, steps):
    """(s, z, D, weight) where it is used at the shape raised by `steps`."""
    for a in shapes():
        high = slope * a + edge
        low = max(min(gammaincinv(a, TAIL), high / 2), 1e-3)
        for z in np.exp(nodes(math.log(low), math.log(high), 30)):
            z, s = float(z), mp.mpf(a) + steps
            top = derivative(s, z)
            d, gain = top, mp.mpf(1)
            bracket = mp.digamma(s) - mp.log(mp.mpf(z))
            for n in reversed(range(steps)):
                d = z / (mp.mpf(a) + n) * (d + bracket)
                gain *= z / (mp.mpf(a) + n)
                bracket -= 1 / (mp.mpf(a) + n)
            yield s, z, top, gain / (s * d)


def far_points(edge, c, weight):
    """Points beyond the draws, with a small weight, to keep R tame there."""
    for a in shapes()[::3]:
        # as z grows without bound, R tends to this
        limit = mp.mpf(a) * (mp.log(mp.mpf(a) + c) - mp.digamma(mp.mpf(a)))
        yield a, math.inf, limit, weight / (1 + a)
        top = gammainccinv(max(a, 1e-3), TAIL)
        for ratio in (1.3, 2.0, 4.0, 8.0):
            z = a + ratio * (top - a) + edge
            if a < 300:
                d = derivative(a, z)
                yield a, z, d, weight / (mp.mpf(a) * d)


def data(steps, edge, slope, c, far, **_):
    points = [
        *right_points(edge, slope),
        *left_points(edge, slope, steps),
        *far_points(edge, c, far),
    ]
    s = np.array([extended(mp.mpf(p[0])) for p in points])
    z = np.array([np.longdouble(p[1]) for p in points])
    r, weight = [], []
    for a, zz, d, w in points:
        a = mp.mpf(a)
        if math.isinf(zz):
            r.append(extended(d))
        else:
            u = mp.mpf(zz) / (a + c)
            r.append(extended(a * (d - (u * mp.log(u) / (u - 1) if u != 1 else 1))))
        weight.append(float(w))
    return s, z, np.array(r), np.array(weight)


def fit(s, z, r, weight, rows, c, b, **_):
    """Coefficients [power of x][power of v] and the largest weighted residual."""
    x, v = 1 / (1 + np.sqrt(z / (s + c))) - 0.5, 1 / (s + b)
    powers = triangle(rows)
    solution, error = minimax(2 * x, 2 * b * v - 1, r, weight, powers)
    found = monomials(solution, powers, x=(2, 0), y=(2 * mp.mpf(b), -1))
    return [[found[i, j] for j, n in enumerate(rows) if i < n] for i in range(rows[0])], error


def fit_psi(steps, c, b, psi_terms, **_):
    """Powers of v in psi(s) - ln(s + c), for s >= steps."""
    return interpolate(lambda v: mp.digamma(1 / v - b) - mp.log(1 / v - b + c), 0, 1 / (mp.mpf(steps) + b), psi_terms)


def block(name, setting):
    """The source text of the constants of one precision."""
    coefficients, error = fit(*data(**setting), **setting)
    print(f"{name}: R causes a relative error of at most {error:.1e}", file=sys.stderr)
    lines = [f"_{name.upper()} = GammaFit("]
    lines += [f"    {key}={setting[key]}," for key in ("steps", "edge", "slope", "c", "b")]
    lines += ["    psi=(", *numbers(fit_psi(**setting), 8, DIGITS[name]), "    ),"]
    return "\n".join([*lines, "    r=(", *table(coefficients, 8, DIGITS[name]), "    ),", ")"])


def main():
    write_tables("gamma", (block(name, setting) for name, setting in SETTINGS.items()))


if __name__ == "__main__":
    main()
