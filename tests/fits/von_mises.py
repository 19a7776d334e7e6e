"""Fits the polynomials of von_mises.py, whose docstring defines them.

The data are computed with mpmath (tests/truth/von_mises.py). Each fit is by weighted least squares in a Chebyshev product basis of
bounded total degree, re-weighted towards the minimax fit, and solved in double precision with the residual refined in extended
precision. The weights make the residual the relative error of the derivative, or the absolute error of the distribution function.

Usage: python -m tests.fits.von_mises, which rewrites irg_experiments/implicit/special/_von_mises_coefficients.py
"""

import sys

import mpmath as mp
import numpy as np

from tests.fits.polynomials import DIGITS, extended, minimax, monomials, numbers, table, write_tables
from tests.truth.von_mises import derivative_over_sine, scaled_i0, tail_ratio

# edge, shift, zeros: boundary, constant B and number of zeros of I0 of the derivative; far: weight of its near region beyond the
# draws; split, harmonics: of the distribution function; floor: least weight of its tails; outer, near, tail: degrees
SETTINGS = {
    "float32": {
        "edge": 5.0,
        "shift": 4.0,
        "zeros": 2,
        "outer": 9,
        "near": 13,
        "far": 1e-4,
        "split": 8.0,
        "harmonics": 16,
        "tail": 5,
        "floor": 1e-8,
    },
    "float64": {
        "edge": 11.0,
        "shift": 10.0,
        "zeros": 5,
        "outer": 14,
        "near": 23,
        "far": 1e-10,
        "split": 16.0,
        "harmonics": 34,
        "tail": 13,
        "floor": 1e-13,
    },
}
REACH = 11.0  # κ sin²(z/2) of the draws: 2 · 11 is −log of the density, relative to its largest value
CIRCLE = 20.0  # κ up to which all of the circle counts as drawn
mp.mp.dps = 40


def ends_and_nodes(low, high, count):
    """Points dense towards both ends, which are among them."""
    return low + (high - low) * (1 - np.cos(np.pi * np.arange(count) / (count - 1))) / 2


def outer_points(edge, **_):
    """(x, y, R, weight) for κ cos²(z/2) ≥ edge."""
    for v in ends_and_nodes(1e-8, 1 / edge, 36):
        for p in ends_and_nodes(v, 1 / edge, 36):
            c = min(v / p, 1.0)
            r = 2 * mp.mpf(c) / mp.mpf(v) * derivative_over_sine(1 / mp.mpf(v), c)
            yield 2 * edge * v / c - 1, 2 * edge * v - 1, r, 1 / r


def pole_factor(k, shift, zeros):
    """M, the product of (κ² + j²)/(κ + B)² over the first zeros j of the Bessel function J0."""
    squares = (mp.besseljzero(0, i + 1) ** 2 for i in range(zeros))
    return mp.fprod((mp.mpf(k) ** 2 + square) / (mp.mpf(k) + shift) ** 2 for square in squares)


def near_points(edge, shift, zeros, far, **_):
    """(x, y, N, weight) for κ cos²(z/2) < edge; few and light ones where no draws are."""
    top = max(edge + REACH, CIRCLE)
    inner = [(6 * q / (1 - q), 40, False) for q in ends_and_nodes(0.0, top / (top + 6), 44)]
    beyond = [(1 / v - shift, 16, True) for v in ends_and_nodes(1e-9, 1 / (CIRCLE + shift), 16)]
    for k, count, light in inner + beyond:
        hidden = max(k - REACH, 0.0) if k > CIRCLE else 0.0
        low, high = (0.0, min(edge, hidden)) if light else (hidden, min(edge, k))
        if high <= low:
            continue
        poles = pole_factor(k, shift, zeros)
        for big in 1 / ends_and_nodes(1 / (high + 6), 1 / (low + 6), count) - 6:
            c = min(max(big / k, 0.0), 1.0) if k else 1.0
            kk = mp.mpf(k) * c
            n = 2 * (kk + shift) * derivative_over_sine(k, c) * poles
            x = 2 * (shift * (edge + shift) / (shift + k * c) - shift) / edge - 1
            yield x, 2 * shift / (k + shift) - 1, n, (far if light else 1) / n


def tail_points(split, floor, **_):
    """(x, y, P, weight) for κ ≥ split."""
    for v in ends_and_nodes(1e-8, 1 / split, 30):
        k = 1 / mp.mpf(v)
        for s in ends_and_nodes(1e-6, 0.999999 * min(1.0, np.sqrt(25 * v)), 34):
            s = mp.mpf(s)
            grown = mp.sqrt(2 * k) * s
            tail = tail_ratio(k, 2 * mp.asin(s)) / (2 * mp.pi * scaled_i0(k))
            p = (mp.erfc(grown) * mp.exp(grown**2) / 2 - tail) / s * mp.sqrt(k)
            yield 2 * float(s) ** 2 - 1, 2 * split * v - 1, p, max(mp.exp(-(grown**2)), floor) * s / mp.sqrt(k)


def fit(points, degree):
    """Coefficients [power of x][power of y], of a total degree, and the largest weighted residual."""
    x, y, f, weight = (np.array([extended(mp.mpf(t)) for t in column]) for column in zip(*points, strict=False))
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    solution, error = minimax(x, y, f, weight, powers, rounds=20, cut=1e-16)
    found = monomials(solution, powers)
    return [[found[i, j] for j in range(degree + 1 - i)] for i in range(degree + 1)], error


def full_turn(bits):
    """2π as three numbers; the first two have few bits, so that their products with a count of turns are exact."""
    first = mp.floor(2 * mp.pi * 2 ** (bits - 3)) / 2 ** (bits - 3)
    second = mp.floor((2 * mp.pi - first) * 4**bits) / 4**bits
    return [first, second, 2 * mp.pi - first - second]


def block(name, setting):
    """The source text of the constants of one precision."""
    digits, bits = DIGITS[name], {"float32": 12, "float64": 26}[name]
    lines = [f"_{name.upper()} = VonMisesFit("]
    lines += [f"    {key}={setting[key]}," for key in ("edge", "shift", "split", "harmonics")]
    lines += ["    turn=(", *numbers(full_turn(bits), 8), "    ),"]
    squares = [mp.besseljzero(0, i + 1) ** 2 for i in range(setting["zeros"])]
    lines += ["    zeros=(", *numbers(squares, 8, digits), "    ),"]
    for key, points in (("outer", outer_points), ("near", near_points), ("tail", tail_points)):
        coefficients, error = fit(list(points(**setting)), setting[key])
        count = sum(map(len, coefficients))
        print(f"{name}: {key}, {count} terms, weighted error {error:.1e}", file=sys.stderr, flush=True)
        lines += [f"    {key}=(", *table(coefficients, 8, digits), "    ),"]
    return "\n".join([*lines, ")"])


def main():
    write_tables("von_mises", (block(name, setting) for name, setting in SETTINGS.items()))


if __name__ == "__main__":
    main()
