"""Reference values for von Mises–Fisher: writes von_mises_fisher.json, rows [d, kappa, w, dw/dkappa, A, 1 - A, ln C].

The inputs are float32-representable, w between the quantiles 1e-6 and 1 − 1e-6. In the angle, w = cos θ, the density of
q(θ) = e^{κ cos θ} sin^{d−2} θ is entire, and

    dw/dκ = sin θ ∫_θ^π (A − cos t) q(t)/q(θ) dt = sin θ ∫_0^θ (cos t − A) q(t)/q(θ) dt

is integrated numerically over the side on which the integrand keeps its sign, panel by panel. A and C are those of the Bessel
functions: from the series in κ², or from Hankel's expansion, which is finite for odd d, where κ is large.

Usage: python -m tests.truth.von_mises_fisher [check]     (``check`` compares a sample of rows with the derivative of the
distribution function, by differences in 60 digits)
"""

import json
import sys
from pathlib import Path

import mpmath as mp
import numpy as np

mp.mp.dps = 40
DIMENSIONS = (2, 3, 4, 5, 10, 20, 41, 100)
PROBABILITIES = (1e-6, 1e-3, 0.2, 0.45, 0.55, 0.9, 1 - 1e-6)


def ratio_and_log_bessel(k, order):
    """I_{order+1}(κ)/I_order(κ) and ln(Γ(order + 1) (2/κ)^order I_order(κ))."""
    k = mp.mpf(k)
    with mp.workdps(100):
        if k < 500:
            zero, one = (mp.hyp0f1(order + 1 + j, k * k / 4) for j in (0, 1))
            return k / (2 * (order + 1)) * one / zero, mp.log(zero)
        zero, one = hankel(order, k), hankel(order + 1, k)
        log_scaled = mp.log(zero) + k - mp.log(2 * mp.pi * k) / 2
        return one / zero, log_scaled + mp.loggamma(order + 1) + order * mp.log(2 / k)


def hankel(order, k):
    """I_order(κ) e^{−κ} √(2πκ); by mpmath where the expansion in 1/κ does not reach the digits."""
    term = total = mp.mpf(1)
    for j in range(1, 1000):
        term = -term * (4 * mp.mpf(order) ** 2 - (2 * j - 1) ** 2) / (8 * j * k)
        total += term
        if abs(term) < mp.mpf(10) ** -60:
            return total
    return mp.besseli(order, k) * mp.exp(-k) * mp.sqrt(2 * mp.pi * k)


def sample_grad(d, k, w, ratio):
    """dw/dκ, from the side of w where cos t − A keeps its sign."""
    k, w = mp.mpf(k), mp.mpf(w)
    theta, sine = mp.acos(w), mp.sqrt((1 - w) * (1 + w))
    panel = 2 / mp.sqrt(max(k, d))
    points = [theta]
    while len(points) < 60 and 0 < points[-1] < mp.pi:
        points.append(points[-1] + panel if w < ratio else points[-1] - panel)
    points[-1] = min(max(points[-1], mp.mpf(0)), mp.pi)

    def integrand(t):
        return abs(mp.cos(t) - ratio) * mp.exp(k * (mp.cos(t) - w)) * (mp.sin(t) / sine) ** (d - 2)

    return sine * abs(mp.quad(integrand, points))


def quantiles(d, k):
    """w at the given probabilities, roughly: by a sum over a grid of θ."""
    b = (d - 2) / (2 * k)
    mode = np.arccos(1 / (b + np.sqrt(b * b + 1)))
    reach = 16 / np.sqrt(k + d)
    edges = np.linspace(max(0, mode - reach), min(np.pi, mode + reach), 20_001)
    theta = (edges[1:] + edges[:-1]) / 2
    log_density = k * (np.cos(theta) - 1) + (d - 2) * np.log(np.sin(theta))
    cumulative = np.cumsum(np.exp(log_density - log_density.max()))
    return np.cos(np.interp(PROBABILITIES, cumulative / cumulative[-1], theta))


def row(d, k, w):
    ratio, log_bessel = ratio_and_log_bessel(k, mp.mpf(d) / 2 - 1)
    area = mp.log(2) + mp.mpf(d) / 2 * mp.log(mp.pi) - mp.loggamma(mp.mpf(d) / 2)
    values = sample_grad(d, k, w, ratio), ratio, 1 - ratio, -area - log_bessel
    return [d, k, w, *(float(value) for value in values)]


def by_differences(d, k, w):
    """dw/dκ = −(∂F/∂κ)/(∂F/∂w)."""
    with mp.workdps(60):

        def mass(k, low, high):
            return mp.quad(lambda t: mp.exp(k * (mp.cos(t) - w)) * mp.sin(t) ** (d - 2), mp.linspace(low, high, 20))

        def cdf(k):
            upper, lower = mass(k, 0, mp.acos(w)), mass(k, mp.acos(w), mp.pi)
            return lower / (lower + upper)

        density = (1 - mp.mpf(w) ** 2) ** (mp.mpf(d - 3) / 2) / mass(k, 0, mp.pi)
        return -mp.diff(cdf, mp.mpf(k)) / density


def main():
    rows = []
    for d in DIMENSIONS:
        for k in np.float32(np.logspace(-3, 5, 9)):
            for w in np.unique(np.float32(quantiles(d, float(k)))):
                if abs(w) < 1:
                    rows.append(row(d, float(k), float(w)))
    Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    print(len(rows), "rows")
    if "check" in sys.argv:
        sample = [r for r in rows if r[1] < 150][::29]
        worst = max(abs(float(by_differences(*r[:3]) / r[3] - 1)) for r in sample)
        print(f"{len(sample)} rows by differences: largest relative difference {worst:.1e}")


if __name__ == "__main__":
    main()
