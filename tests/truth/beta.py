"""Write beta.json: rows [a, b, z, dz/da, dz/db, I_z(a, b)] with inputs that are exact in float32.

With P = zᵃ (1 − z)ᵇ / B(a, b) and Tₙ = (a + b)ₙ/(a + 1)ₙ zⁿ, the series I = (P/a) Σ Tₙ (DLMF 8.17.8) gives

    dz/da = −(z (1 − z)/a) Σ Tₙ (ln z − ψ(a + 1 + n) + ψ(a + b + n)),
    dz/db = −(z (1 − z)/a) Σ Tₙ (ln(1 − z) − ψ(b) + ψ(a + b + n)).

For z > 1/2 it is summed for I_{1−z}(b, a) = 1 − I_z(a, b). All terms of I are positive; those of the derivatives may
cancel by the factor 1/P, which extra digits cover. A sample is compared with the derivative of a quadrature.

Usage: python -m tests.truth.beta [output]
"""

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.stats import beta

COUNT = 620
CHECKED = 25
TAIL = 1e-10
mp.mp.dps = 40


def density(a, b, z):
    """The density of ln(z/(1 − z))."""
    return mp.exp(a * mp.log(z) + b * mp.log1p(-z) + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b))


def truth(a, b, z, digits=40):
    """dz/da, dz/db and I_z(a, b)."""
    a, b, z = mp.mpf(a), mp.mpf(b), mp.mpf(z)
    if z > 0.5:
        with mp.workdps(1100 if 1 - z < 1e-300 else 400):
            other = 1 - z
        db, da, cdf = truth(b, a, other, digits)
        return -da, -db, 1 - cdf
    with mp.workdps(30):
        p = density(a, b, z)
        lost = max(0.0, float(-mp.log10(p / (1 + a)))) if p < 1 + a else 0.0
    with mp.workdps(digits + 20 + int(lost)):
        a, b, z = +a, +b, +z
        s, sa, sb = _sums(a, b, z, lost)
        p = density(a, b, z)
        scale = z * (1 - z) / a
        return -scale * sa, -scale * sb, p / a * s


def _sums(a, b, z, lost):
    first = mp.log(z) - mp.digamma(a + 1) + mp.digamma(a + b)
    second = mp.log1p(-z) - mp.digamma(b) + mp.digamma(a + b)
    term, s, sa, sb, n = mp.mpf(1), mp.mpf(0), mp.mpf(0), mp.mpf(0), 0
    small = mp.mpf(10) ** (-mp.mp.dps + 3)
    while True:
        s, sa, sb = s + term, sa + term * first, sb + term * second
        up, down = 1 / (a + b + n), 1 / (a + 1 + n)
        first, second = first + up - down, second + up
        term *= z * (a + b + n) * down
        n += 1
        if term < small * s * mp.mpf(10) ** (-lost) and z * (a + b + n) < 0.9 * (a + 1 + n):
            return s, sa, sb


def by_quadrature(a, b, z):
    """The same from the integral of the derivative of the density over [0, z], in y = ln t."""
    with mp.workdps(40):
        a, b, z = mp.mpf(a), mp.mpf(b), mp.mpf(z)
        mean_a, mean_b = mp.digamma(a) - mp.digamma(a + b), mp.digamma(b) - mp.digamma(a + b)
        top = mp.log(z)
        cuts = [top - 250 / a] + [top - 250 / a * mp.mpf(2) ** -k for k in range(1, 24)] + [top]
        log_c = mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)

        def f(which):
            def inner(y):
                rest = mp.log1p(-mp.exp(y))
                return (y - mean_a if which else rest - mean_b) * mp.exp(a * y + (b - 1) * rest + log_c)

            return mp.quad(inner, cuts)

        p = density(a, b, z) / (z * (1 - z))
        return -f(1) / p, -f(0) / p


def draw(rng):
    """One (a, b, z) with z at a random tail probability, exact in float32, strictly inside (0, 1)."""
    while True:
        a, b = (float(np.float32(10 ** rng.uniform(-2, 3))) for _ in range(2))
        p = 10 ** rng.uniform(math.log10(TAIL), math.log10(0.5))
        if rng.random() < 0.4:
            p = rng.uniform(0.02, 0.5)
        z = beta.ppf(p, a, b) if rng.random() < 0.5 else beta.isf(p, a, b)
        z = float(np.float32(z))
        if 1e-37 < z < 1:
            return a, b, z


def main():
    rng = np.random.default_rng(20240517)
    rows, worst = [], mp.mpf(0)
    for index in range(COUNT):
        a, b, z = draw(rng)
        da, db, cdf = truth(a, b, z)
        if index % (COUNT // CHECKED) == 0 and z < 0.99:
            other = by_quadrature(a, b, z)
            worst = max(worst, abs(other[0] / da - 1), abs(other[1] / db - 1))
        rows.append([a, b, z, float(da), float(db), float(cdf)])
    print(f"{len(rows)} rows; largest relative difference from the quadrature {mp.nstr(worst, 3)}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, separators=(",", ":")))


if __name__ == "__main__":
    main()
