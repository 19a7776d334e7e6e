"""Write student_t.json: rows [df, t, dt/d(df), F(df, t)] with inputs that are exact in float32.

The derivative is ``scaled_derivative`` of fit_student_t.py (the recurrence run to its end for t² ≥ df, the power series
below), compared on a sample with a quadrature; F is the regularized incomplete Beta function of mpmath.

Usage: python -m tests.truth.student_t [output]
"""

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.stats import t as student

from tests.fits.student_t import kappa, scaled_derivative

COUNT = 620
CHECKED = 31
TAIL = 1e-12
mp.mp.dps = 40


def derivative(df, t):
    df, t = mp.mpf(df), mp.mpf(t)
    return t / df * scaled_derivative(df, t * t / df)


def cdf(df, t):
    df, t = mp.mpf(df), mp.mpf(t)
    if t * t < df:
        half = mp.betainc(0.5, df / 2, 0, t * t / (df + t * t), regularized=True) / 2
        return 0.5 + half if t > 0 else 0.5 - half
    tail = mp.betainc(df / 2, 0.5, 0, df / (df + t * t), regularized=True) / 2
    return 1 - tail if t > 0 else tail


def by_quadrature(df, t):
    """The same from the integral of the derivative of the density of y = asinh(t/√df) over its tail."""
    df, t = mp.mpf(df), mp.mpf(t)
    y, k = mp.asinh(abs(t) / mp.sqrt(df)), kappa(df)
    end = 110 / df + 16 / mp.sqrt(df)
    cuts = [y + end * mp.mpf(2) ** -j for j in range(14, -1, -1)]

    def integrand(u):
        return (mp.log(mp.cosh(u)) - k) * (mp.cosh(y) / mp.cosh(u)) ** df

    return t / (2 * df) - mp.sign(t) * mp.sqrt(df) * mp.cosh(y) * mp.quad(integrand, [y, *cuts])


def draw(rng):
    """One (df, t) with t at a random tail probability, exact in float32."""
    df = 10 ** rng.uniform(math.log10(0.3), 4)
    if rng.random() < 0.08:
        df = 10.0 ** rng.choice([rng.uniform(-2, -0.5), rng.uniform(4, 10)])
    df = float(np.float32(df))
    p = 10 ** rng.uniform(math.log10(TAIL), math.log10(0.5))
    if rng.random() < 0.4:
        p = rng.uniform(0.02, 0.4999)
    t = float(np.float32(min(student.isf(p, df), 1e33)))
    return df, t if rng.random() < 0.5 else -t


def main():
    rng = np.random.default_rng(20240518)
    rows, worst = [], mp.mpf(0)
    for index in range(COUNT):
        df, t = draw(rng)
        grad = derivative(df, t)
        if index % (COUNT // CHECKED) == 0 and df < 1e5:
            worst = max(worst, abs(by_quadrature(df, t) / grad - 1))
        rows.append([df, t, float(grad), float(cdf(df, t))])
    print(f"{len(rows)} rows; largest relative difference from the quadrature {mp.nstr(worst, 3)}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, separators=(",", ":")))


if __name__ == "__main__":
    main()
