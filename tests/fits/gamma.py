"""Fits the polynomials of irg_experiments/implicit/special/gamma.py; prints the tables of _gamma_coefficients.py.

The main one, in the notation of the module docstring of gamma.py, is

    R(s, z) = s (D(s, z) - D0(u)),    u = z / (s + C),    D0(u) = u ln(u) / (u - 1),

as a polynomial in x = 1/(1 + sqrt(u)) - 1/2 and v = 1/(s + B).  The data are
computed with mpmath.  The fit is by weighted least squares in a Chebyshev product
basis, re-weighted towards the minimax fit, and solved in double precision with the
residual refined in extended precision.  The weights make the residual the relative
error that R causes in the final derivative.

The second, psi(s) - ln(s + C) in powers of v, is interpolated at Chebyshev nodes.

Usage: python -m tests.fits.gamma [float32] [float64]
"""

import math
import sys

import mpmath as mp
import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import gammainccinv, gammaincinv

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


def extended(x):
    """An mpf as a numpy long double (80 bits, where the platform has them)."""
    high = float(x)
    return np.longdouble(high) + np.longdouble(float(x - high))


def nodes(low, high, count):
    k = np.arange(count)
    return low + (high - low) * (1 - np.cos(np.pi * (k + 0.5) / count)) / 2


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


def fit(s, z, r, weight, rows, c, b, rounds=25, **_):
    """Coefficients [power of v][power of x] and the largest weighted residual."""
    x = 1 / (1 + np.sqrt(z / (s + c)))
    x, v = 2 * x - 1, 2 * b / (s + b) - 1
    tx = chebyshev.chebvander(x, max(rows) - 1)
    tv = chebyshev.chebvander(v, len(rows) - 1)
    powers = [(i, j) for j, n in enumerate(rows) for i in range(n)]
    basis = np.stack([tx[:, i] * tv[:, j] for i, j in powers], 1)
    basis, target = basis * weight[:, None], r * weight
    emphasis, best = np.ones(len(r)), (math.inf, None)
    for _ in range(rounds):
        left = (basis * emphasis[:, None]).astype(float)
        solution = np.zeros(basis.shape[1], np.longdouble)
        for _ in range(2):
            rest = ((target - basis @ solution) * emphasis).astype(float)
            solution = solution + np.linalg.lstsq(left, rest, rcond=1e-17)[0]
        error = np.abs(basis @ solution - target).astype(float)
        if error.max() < best[0]:
            best = error.max(), solution
        emphasis *= np.sqrt(error / error.max() + 1e-3)
        emphasis /= emphasis.max()
    return monomials(best[1], rows, b), best[0]


def monomials(solution, rows, b):
    """From T_i(2x) T_j(2bv - 1) to powers of x and v."""
    out = [[mp.mpf(0)] * rows[0] for _ in rows]
    solution = iter(solution)
    with mp.workdps(50):
        for j, n in enumerate(rows):
            pv = chebyshev_powers(j, 2 * mp.mpf(b), -1)
            for i in range(n):
                value = next(solution)
                high = float(value)
                value = mp.mpf(high) + mp.mpf(float(value - np.longdouble(high)))
                px = chebyshev_powers(i, 2, 0)
                for jj, f in enumerate(pv):
                    for ii, g in enumerate(px):
                        out[jj][ii] += value * f * g
    return [row[:n] for row, n in zip(out, rows, strict=False)]


def chebyshev_powers(n, scale, shift):
    """Powers of t in T_n(scale t + shift)."""
    before, now = [mp.mpf(1)], [mp.mpf(shift), mp.mpf(scale)]
    if n == 0:
        return before
    for _ in range(n - 1):
        after = [mp.mpf(0)] * (len(now) + 1)
        for k, f in enumerate(now):
            after[k] += 2 * shift * f
            after[k + 1] += 2 * scale * f
        for k, f in enumerate(before):
            after[k] -= f
        before, now = now, after
    return now


def fit_psi(steps, c, b, psi_terms, **_):
    """Powers of v in psi(s) - ln(s + c), for s >= steps."""
    with mp.workdps(60):
        half = 1 / (mp.mpf(steps) + b) / 2
        turns = [(k + mp.mpf(1) / 2) / psi_terms for k in range(psi_terms)]
        v = [half + half * mp.cospi(t) for t in turns]
        y = [mp.digamma(1 / t - b) - mp.log(1 / t - b + c) for t in v]
        powers = mp.matrix([[t**k for k in range(psi_terms)] for t in v])
        return list(mp.lu_solve(powers, mp.matrix(y)))


def numbers(values, indent, digits):
    """Lines of at most 128 columns with the values of a tuple."""
    lines = [""]
    for value in values:
        text = f"{float(mp.nstr(value, digits))!r},"
        if len(lines[-1]) + len(text) + 1 > 128 - indent:
            lines.append("")
        lines[-1] += f" {text}" if lines[-1] else text
    return [" " * indent + line for line in lines]


def block(name, setting):
    """The source text of the constants of one precision."""
    coefficients, error = fit(*data(**setting), **setting)
    print(f"{name}: R causes a relative error of at most {error:.1e}", file=sys.stderr)
    digits = 9 if name == "float32" else 17
    lines = [f"_{name.upper()} = GammaFit("]
    lines += [f"    {key}={setting[key]}," for key in ("steps", "edge", "slope", "c", "b")]
    lines += ["    psi=(", *numbers(fit_psi(**setting), 8, digits), "    ),", "    r=("]
    for i in range(len(coefficients[0])):
        column = [row[i] for row in coefficients if i < len(row)]
        lines += ["        (", *numbers(column, 12, digits), "        ),"]
    return "\n".join([*lines, "    ),", ")"])


def main():
    """Prints the constants of the precisions named on the command line, or of both."""
    print("\n\n".join(block(name, SETTINGS[name]) for name in sys.argv[1:] or SETTINGS))


if __name__ == "__main__":
    main()
