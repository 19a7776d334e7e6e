"""Write owens_t.json: rows [h, a, T(h, a), F(−h; a)] with inputs that are exact in float32.

T is Owen's function, by quadrature; F the distribution function of the skew normal distribution with shape a, in its short
tail, 2 ∫_h^∞ φ(t) Φ(−a t) dt, by quadrature too.

Usage: python -m tests.truth.owens_t
"""

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np

PATH = Path(__file__).with_suffix(".json")
COUNT = 120


def owens_t(h, a):
    end = min(a, 16 / h)
    integral = mp.quad(lambda s: mp.exp(-h * h * s * s / 2) / (1 + s * s), mp.linspace(0, end, 9))
    return integral * mp.exp(-h * h / 2) / (2 * mp.pi)


def short_tail(h, a):
    root = mp.sqrt(1 + a * a)
    end, scale = 16 / root / max(1, h * root / 8), mp.exp((h * root) ** 2 / 2)
    # mpmath's tolerance is absolute, so the integrand is of the order of 1
    return 2 / scale * mp.quad(lambda t: scale * mp.npdf(t) * mp.ncdf(-a * t), [h + end * mp.mpf(k) / 8 for k in range(9)])


def main():
    rng, rows = np.random.default_rng(20260802), []
    while len(rows) < COUNT:
        h, a = (float(np.float32(10 ** rng.uniform(*bounds))) for bounds in ((-3, 1.2), (-3, 3)))
        if h * math.hypot(1, a) < 25:
            with mp.workdps(30):
                rows.append([h, a, float(owens_t(mp.mpf(h), mp.mpf(a))), float(short_tail(mp.mpf(h), mp.mpf(a)))])
    PATH.write_text(json.dumps(rows, separators=(",", ":")))
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
