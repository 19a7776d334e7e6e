"""Fits the polynomials of gammainc.py.

The main one, in the notation of the module docstring of gammainc.py, is

    G(q, e) = F(s, x) sqrt(s + C) / (x^s e^-x / Gamma(s)) / p,

with F = Q on the right (e > 0) and F = P on the left (e < 0).  The data are computed
in extended precision (80 bits): on the right by the continued fraction

    Q = x^s e^-x / Gamma(s) / (x + 1 - s - 1 (1 - s) / (x + 3 - s - 2 (2 - s) / ...))

(DLMF 8.9.2 in its contracted form), on the left by the series sum x^n / (s)_(n+1) of
positive terms.  The fit is by weighted least squares in a Chebyshev product basis, re-weighted towards
the minimax fit, and solved in double precision with the residual refined in extended
precision.  The weights make the residual the absolute error of the smaller of P and
Q, but no less than a fixed share of it, so that small values are accurate relatively.

The others are interpolated at Chebyshev nodes: Stirling's correction

    mu(a) = ln Gamma(a + 1) - (a + 1/2) ln a + a - ln(2 pi)/2

in powers of 1/(a + B), and (atanh(r)/r - 1)/r^2 in powers of r^2.

Usage: OMP_NUM_THREADS=1 python -m tests.fits.gammainc, which rewrites irg_experiments/implicit/special/_gammainc_coefficients.py
"""

import sys

import mpmath as mp
import numpy as np
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv

from tests.fits.polynomials import DIGITS, interpolate, minimax, monomials, nodes, numbers, table, triangle, write_tables

# Steps of recurrence (even), boundary x = max(a, edge), constants C and b of p = b / (b + t),
# share: the value of F below which the relative error counts, rows: the number of
# powers of q that go with each power of e; the other fits: smallest shape of Stirling's formula,
# B and number of terms, largest |r| of the series of the logarithm and its terms.
SETTINGS = {
    "float32": {
        "steps": 4,
        "edge": 2.0,
        "c": 0.5,
        "scale": 2.0,
        "share": 1e-4,
        "rows": [13, 12, 11, 10, 9, 8, 7, 6, 5, 4],
        "large": 1.0,
        "b": 0.75,
        "stirling_terms": 8,
        "near": 0.2,
        "log_terms": 4,
    },
    "float64": {
        "steps": 6,
        "edge": 2.0,
        "c": 0.5,
        "scale": 2.0,
        "share": 1e-3,
        "rows": [28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8],
        "large": 2.0,
        "b": 0.75,
        "stirling_terms": 16,
        "near": 0.2,
        "log_terms": 9,
    },
}
TINY = 1e-250  # values below are not fitted
LONG = np.longdouble
mp.mp.dps = 60


def fraction(a, x, count=3000):
    """Q(a, x) / (x^a e^-x / Gamma(a)) for x >= a."""
    total = x + (2 * count + 1) - a
    for k in range(count, 0, -1):
        total = x + (2 * k - 1) - a - k * (k - a) / total
    return 1 / total


def series(a, x):
    """P(a, x) / (x^a e^-x / Gamma(a)) for x <= a + a little."""
    term = 1 / a
    total, n = term.copy(), 0
    while (term > 1e-21 * total).any():
        n += 1
        term = term * x / (a + n)
        total += term
    return total


def shapes(edge):
    """Shapes for every part of the range of e, and those at the corner of the two regions."""
    a = (1 / nodes(0.0, 1.0, 72) - 1) ** 2
    corner = [edge - 0.15, edge - 0.05, edge - 0.015, edge, edge + 0.015, edge + 0.05]
    return [1e-8, *(float(t) for t in a if 1e-5 < t < 3e4), *corner, 1e5]


def points(edge, count=48):
    """Arrays of a, x and of whether x is right of the boundary."""
    rows = []
    for a in shapes(edge):
        boundary, width = max(a, edge), np.sqrt(a + 1)
        top = gammainccinv(max(a, 1e-3), TINY)
        low = gammaincinv(a, TINY) if a > 1 else 0.0
        for right, far in ((1.0, top), (0.0, low)):
            t = np.expm1(nodes(0.0, np.log1p(abs(far - boundary) / width), count))
            x = boundary + (2 * right - 1) * width * t
            rows += [(a, max(float(z), 0.0), right) for z in x]
    a, x, right = np.array(rows).T
    return a, x, right > 0


def data(steps, edge, c, scale, share, **_):
    """p, e, G and the weights."""
    a, x, right = points(edge)
    with np.errstate(all="ignore"):
        value = np.where(right, gammaincc(a, x), gammainc(a, x))
        raised = gammainc(a + steps, x) / value
        part = np.where(right, 1.0, np.minimum(np.nan_to_num(raised, nan=1.0), 1.0))
    s = np.where(right, a, a.astype(LONG) + steps)
    z = x.astype(LONG)
    root, sign = np.sqrt(s + c), np.where(right, 1, -1)
    p, e = 1 / (1 + sign * (z - s) / root / scale), sign / root
    g = np.empty(len(s), LONG)
    g[right] = fraction(s[right], z[right])
    g[~right] = series(s[~right], z[~right])
    g *= root / p
    used = value > TINY
    # on the left Q = 1 - P, and is small where a is
    other = np.where(right, 1.0, np.maximum(gammaincc(a, x), 1e-5))
    weight = part * np.maximum(value, share) * np.maximum(1.0, share / other) / g
    return p[used], e[used], g[used], weight[used]


def ends(steps, c):
    return -1 / np.sqrt(steps + c), 1 / np.sqrt(c)


def fit(p, e, g, weight, rows, steps, c, **_):
    """Coefficients [power of q = p - 1/2][power of e - centre] and the largest weighted residual."""
    low, high = ends(steps, c)
    powers = triangle(rows)
    solution, error = minimax(2 * p - 1, (2 * e - low - high) / (high - low), g, weight, powers, rounds=12)
    found = monomials(solution, powers, x=(2, 0), y=(2 / (mp.mpf(high) - mp.mpf(low)), 0))
    return [[found[i, j] for j, n in enumerate(rows) if i < n] for i in range(rows[0])], error


def stirling(large, b, stirling_terms, **_):
    """Powers of 1/(a + b) in mu, and the error."""

    def mu(v):
        a = 1 / v - b
        return mp.loggamma(a + 1) - (a + 0.5) * mp.log(a) + a - mp.log(2 * mp.pi) / 2

    return checked(mu, 1 / (mp.mpf(large) + b), stirling_terms)


def logarithm(near, log_terms, **_):
    """Powers of r^2 in (atanh(r)/r - 1)/r^2, and the error."""
    return checked(lambda t: (mp.atanh(mp.sqrt(t)) / mp.sqrt(t) - 1) / t, mp.mpf(near) ** 2, log_terms)


def checked(function, high, terms):
    """The interpolant on (0, high), and its largest deviation."""
    found = interpolate(function, 0, high, terms)
    at = [high * mp.mpf(k) / 200 for k in range(1, 201)]
    return found, max(abs(mp.polyval(found[::-1], t) - function(t)) for t in at)


def block(name, setting):
    """The source text of the constants of one precision."""
    coefficients, error = fit(*data(**setting), **setting)
    correction, of_correction = stirling(**setting)
    log, of_log = logarithm(**setting)
    errors = f"{error:.1e} in G, {float(of_correction):.1e} in mu, {float(of_log):.1e} in the logarithm"
    print(f"{name}: {sum(setting['rows'])} terms; errors {errors}", file=sys.stderr)
    low, high = ends(setting["steps"], setting["c"])
    keys = ("steps", "edge", "c", "scale", "large", "b", "near")
    lines = [f"_{name.upper()} = GammaincFit(", *(f"    {key}={setting[key]}," for key in keys)]
    lines += [f"    centre={float((low + high) / 2)!r},"]
    lines += ["    stirling=(", *numbers(correction, 8, DIGITS[name]), "    ),"]
    lines += ["    log=(", *numbers(log, 8, DIGITS[name]), "    ),"]
    return "\n".join([*lines, "    g=(", *table(coefficients, 8, DIGITS[name]), "    ),", ")"])


def main():
    write_tables("gammainc", (block(name, setting) for name, setting in SETTINGS.items()))


if __name__ == "__main__":
    main()
