"""Write inverse_gaussian.json: rows [c, y, dy/dc, F(c, y), 1 − F(c, y)] with inputs that are exact in float32.

The inverse Gaussian distribution of mean 1 and concentration c, from its closed form with 200 digits; the derivative is
−(∂F/∂c)/p by numerical differentiation in that precision.

Usage: python -m tests.truth.inverse_gaussian
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.stats import invgauss

PATH = Path(__file__).with_suffix(".json")
COUNT, TAIL = 300, 1e-12


def tails(c, y):
    """F and 1 − F in closed form."""
    root = mp.sqrt(c / y)
    value = mp.ncdf(root * (y - 1)) + mp.exp(2 * c) * mp.ncdf(-root * (y + 1))
    return value, 1 - value


def density(c, y):
    return mp.sqrt(c / (2 * mp.pi * y**3)) * mp.exp(-c * (y - 1) ** 2 / (2 * y))


def main():
    rng, rows = np.random.default_rng(20260801), []
    for _ in range(COUNT):
        c = float(np.float32(10 ** rng.uniform(-4, 6)))
        tail = 10 ** rng.uniform(np.log10(TAIL), np.log10(0.5))
        quantile = invgauss(1 / c, scale=c).ppf if rng.random() < 0.5 else invgauss(1 / c, scale=c).isf
        y = float(np.float32(quantile(tail)))
        with mp.workdps(200):
            point, at = mp.mpf(c), mp.mpf(y)
            both = tails if c < 50 else scaled
            value, survival = both(point, at)
            slope = mp.diff(lambda x, at=at, both=both: both(x, at)[0], point, h=point * mp.mpf("1e-50"))
            rows.append([c, y, float(-slope / density(point, at)), float(value), float(survival)])
    PATH.write_text(json.dumps(rows, separators=(",", ":")))
    print(f"{len(rows)} rows")


def scaled(c, y):
    """The same for large b, where e^{2c} Φ(−b) is φ(s) times the ratio of Mills, Laplace's continued fraction."""
    root = mp.sqrt(c / y)
    s, b = root * (y - 1), root * (y + 1)
    fraction = mp.mpf(0)
    for k in range(400, 0, -1):
        fraction = k / (b + fraction)
    other = mp.npdf(s) / (b + fraction)
    return mp.ncdf(s) + other, mp.ncdf(-s) - other


if __name__ == "__main__":
    main()
