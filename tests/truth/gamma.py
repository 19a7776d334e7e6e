"""Writes gamma.json: implicit derivatives of Gamma samples, computed with mpmath.

The file holds two lists.  "sample" has rows [a, z, D] with D = dz/da at fixed P(a, z);
"log_sample" has rows [a, l, E] with E = d(ln z)/da at ln z = l, among them l for
which exp(l) underflows.  The arguments are float32 values, so that float32 and
float64 are judged by the same rows; the results are decimal strings of 25 digits,
from a working precision of at least 60.

Every twelfth row of moderate shape is computed again from a central difference of
mpmath's own incomplete gamma function, an independent method, and must agree to
1e-25.

Usage: python -m tests.truth.gamma
"""

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.special import gammainccinv, gammaincinv

PATH = Path(__file__).with_suffix(".json")
DIGITS = 60
mp.mp.dps = DIGITS
TAILS = (1e-12, 1e-8, 1e-5, 1e-3, 0.03, 0.2)  # on both sides, and the median
SMALLEST = 1e-30  # smaller samples are left to the logarithmic rows


def cancelled_digits(a, z):
    """Digits that the series loses to the small survival probability of z."""
    if z <= a:
        return 0
    return (z - a - a * math.log(z / a)) / math.log(10) + 0.5 * math.log10(1 + a)


def sample_derivative(a, z, log_z=None):
    """sum over n of z^(n+1) / (a)_(n+1) (psi(a + n + 1) - ln z), divided by z."""
    with mp.workdps(DIGITS + 10 + int(1.05 * cancelled_digits(a, z))):
        a = mp.mpf(a)
        log_z = mp.log(mp.mpf(z)) if log_z is None else mp.mpf(log_z)
        z = mp.exp(log_z)
        bracket = mp.digamma(a + 1) - log_z
        power = 1 / a
        total, n, eps = power * bracket, 1, mp.mpf(10) ** (5 - mp.mp.dps)
        while a + n <= z or power * max(1, abs(bracket)) >= eps * abs(total):
            step = 1 / (a + n)
            power *= z * step
            bracket += step
            total += power * bracket
            n += 1
        return +total


def difference_derivative(a, z):
    """-(dP/da) / (z p) by a central difference of Q = 1 - P."""
    with mp.workdps(2 * DIGITS + 30):
        a, z, h = mp.mpf(a), mp.mpf(z), mp.mpf(10) ** -DIGITS
        up = mp.gammainc(a + h, z, regularized=True)
        down = mp.gammainc(a - h, z, regularized=True)
        density = mp.exp((a - 1) * mp.log(z) - z - mp.loggamma(a))
        return (up - down) / (2 * h) / (z * density)


def quantiles(a):
    yield from (gammaincinv(a, t) for t in TAILS)
    yield gammaincinv(a, 0.5)
    yield from (gammainccinv(a, t) for t in TAILS)


def arguments():
    """Pairs (a, z)."""
    shapes = [*np.logspace(-3, 6, 58), 1.0, 10.0]
    for a in np.float32(shapes):
        points = {float(np.float32(z)) for z in quantiles(float(a))}
        yield from ((float(a), z) for z in sorted(points) if z > SMALLEST)
    # around the boundaries between regions, at z = a, and far shapes
    for a in np.float32([1e-3, 0.05, 0.4, 1.7, 6.0, 25.0]):
        for z in (0.5 + 0.5 * a, 2.5 + 0.5 * a):
            z = np.float32(z)
            around = (np.nextafter(z, np.float32(t)) for t in (0, z, 99))
            yield from ((float(a), float(t)) for t in around)
    equal = np.float32([1e-3, 0.1, 2.0, 75.0, 4e3, 2e5])
    yield from ((float(a), float(a)) for a in equal)
    yield from ((1e-6, float(z)) for z in np.float32([1e-20, 1e-3, 1.0, 15.0]))
    yield from ((1e7, float(z)) for z in np.float32([9.98e6, 1e7, 1.002e7]))


def log_arguments():
    """Pairs (a, l)."""
    for a in np.float32([1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.3, 1.0, 3.0]):
        for t in (1e-12, 1e-6, 0.01, 0.5):
            yield float(a), float(np.float32((math.log(t) + math.lgamma(1 + a)) / a))


def main():
    sample, log_sample, differences = [], [], []
    for i, (a, z) in enumerate(arguments()):
        a = float(np.float32(a))
        relative = sample_derivative(a, z)
        sample.append([a, z, mp.nstr(relative * mp.mpf(z), 25)])
        if i % 12 == 0 and a < 300:
            with mp.workdps(2 * DIGITS):
                differences.append(abs(difference_derivative(a, z) / relative - 1))
    for a, log_z in log_arguments():
        value = sample_derivative(a, math.exp(log_z), log_z)
        log_sample.append([a, log_z, mp.nstr(value, 25)])
    worst = mp.nstr(max(differences), 3)
    if max(differences) > 1e-25:
        raise SystemExit(f"the two methods differ by {worst}")
    rows = ",\n".join(json.dumps(row) for row in sample)
    log_rows = ",\n".join(json.dumps(row) for row in log_sample)
    PATH.write_text(f'{{"sample": [\n{rows}\n],\n"log_sample": [\n{log_rows}\n]}}\n')
    print(f"{len(sample)} + {len(log_sample)} rows")
    print(f"the two methods agree to {worst} in {len(differences)} rows")


if __name__ == "__main__":
    main()
