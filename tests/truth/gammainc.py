"""Writes gammainc.json: regularised incomplete gamma functions, computed with mpmath.

The file holds a list of rows [a, x, P, Q].  The arguments are float32 values, so that
float32 and float64 are judged by the same rows; the results are decimal strings of 25
digits, from a working precision of at least 50.  P comes from the series of positive
terms x^a e^-x / Gamma(a + 1) sum x^n / (a + 1)_n (DLMF 8.7.1), Q as 1 - P with as
many more digits as Q is small.

Every eighth row of moderate shape is computed again by mpmath's own incomplete gamma
functions, an independent method, and both must agree to 1e-25, relatively.

Usage: python -m tests.truth.gammainc
"""

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.special import gammainccinv, gammaincinv

PATH = Path(__file__).with_suffix(".json")
DIGITS = 50
mp.mp.dps = DIGITS
TAILS = (1e-250, 1e-100, 1e-30, 1e-12, 1e-5, 0.01, 0.2)  # on both sides, and the median


def both(a, x):
    """P(a, x) and Q(a, x)."""
    lost = 10 + max(0.0, -math.log10(min(a, 1)))
    if x > a:
        lost += 1.05 * (x - a - a * math.log(x / a)) / math.log(10) + 0.5 * math.log10(1 + a + x)
    with mp.workdps(DIGITS + int(lost)):
        a, x = mp.mpf(a), mp.mpf(x)
        term = mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1))
        total, n, eps = term, 1, mp.mpf(10) ** (-mp.mp.dps)
        while a + n <= x or term >= eps * total:
            term *= x / (a + n)
            total += term
            n += 1
        return +total, 1 - total


def quantiles(a):
    yield from (gammaincinv(a, t) for t in TAILS)
    yield gammaincinv(a, 0.5)
    yield from (gammainccinv(a, t) for t in TAILS)


def arguments():
    """Pairs (a, x)."""
    shapes = [*np.logspace(-3, 4, 26), 1.0, 2.0, 25.0, 1e5, 1e6]
    for a in np.float32(shapes):
        points = {float(np.float32(x)) for x in quantiles(float(a))}
        yield from ((float(a), x) for x in sorted(points) if 1e-30 < x < 1e30)
    # around the boundaries between regions and formulas
    for a in np.float32([1e-3, 0.3, 1.999, 2.0, 7.0, 25.0, 1e3]):
        for x in (2.0, float(a), 2 / 3 * a, 1.5 * a):
            x = np.float32(x)
            around = (np.nextafter(x, np.float32(t)) for t in (0, x, 9e9))
            yield from ((float(a), float(t)) for t in around)
    yield from ((1e-6, float(x)) for x in np.float32([1e-20, 1e-3, 1.0, 2.5, 15.0]))
    yield from ((1e7, float(x)) for x in np.float32([9.99e6, 1e7, 1.001e7]))


def independent(a, x, p, q):
    """The largest relative difference from mpmath's own functions."""
    with mp.workdps(2 * DIGITS + 300):
        a, x = mp.mpf(a), mp.mpf(x)
        lower = mp.gammainc(a, 0, x, regularized=True)
        upper = mp.gammainc(a, x, mp.inf, regularized=True)
        return max(abs(lower / p - 1), abs(upper / q - 1))


def main():
    rows, differences = [], []
    for i, (a, x) in enumerate(sorted(set(arguments()))):
        a = float(np.float32(a))
        p, q = both(a, x)
        rows.append([a, x, mp.nstr(p, 25), mp.nstr(q, 25)])
        if i % 8 == 0 and a < 100:
            differences.append(independent(a, x, p, q))
    worst = mp.nstr(max(differences), 3)
    if max(differences) > 1e-25:
        raise SystemExit(f"the two methods differ by {worst}")
    PATH.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(f"{len(rows)} rows")
    print(f"the two methods agree to {worst} in {len(differences)} rows")


if __name__ == "__main__":
    main()
