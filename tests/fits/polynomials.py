"""What the fits share: weighted minimax polynomials in two variables, and their coefficients as source text."""

import math
from pathlib import Path

import mpmath as mp
import numpy as np
from numpy.polynomial import chebyshev

COEFFICIENTS = Path(__file__).parents[2] / "irg_experiments" / "implicit" / "special"
DIGITS = {"float32": 9, "float64": 17}
WIDTH = 128


def extended(x):
    """An mpf as a numpy long double (80 bits, where the platform has them)."""
    high = float(x)
    return np.longdouble(high) + np.longdouble(float(x - high))


def nodes(low, high, count):
    """Chebyshev's, dense towards both ends, which are not among them."""
    return low + (high - low) * (1 - np.cos(np.pi * (np.arange(count) + 0.5) / count)) / 2


def interpolate(function, low, high, terms):
    """Powers of the argument in the polynomial through the values at Chebyshev's nodes."""
    with mp.workdps(60):
        middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
        at = [middle + half * mp.cospi((k + mp.mpf(1) / 2) / terms) for k in range(terms)]
        powers = mp.matrix([[t**k for k in range(terms)] for t in at])
        return list(mp.lu_solve(powers, mp.matrix([function(t) for t in at])))


def triangle(rows):
    """The pairs (power of x, power of y), ``rows[j]`` powers of x with the power j of y."""
    return [(i, j) for j, n in enumerate(rows) for i in range(n)]


def minimax(x, y, target, weight, powers, rounds=25, cut=1e-17):
    """Coefficients of T_i(x) T_j(y), (i, j) in ``powers``, and the largest weighted residual.

    Weighted least squares, re-weighted towards the minimax fit, solved in double precision with the residual refined in extended
    precision; singular values below ``cut`` times the largest are left out. x and y are within [−1, 1].
    """
    tx = chebyshev.chebvander(x, max(i for i, _ in powers))
    ty = chebyshev.chebvander(y, max(j for _, j in powers))
    basis = np.stack([tx[:, i] * ty[:, j] for i, j in powers], 1) * weight[:, None]
    target = target * weight
    emphasis, best = np.ones(len(target)), (math.inf, None)
    for _ in range(rounds):
        u, size, vt = np.linalg.svd((basis * emphasis[:, None]).astype(float), full_matrices=False)
        inverse = np.where(size > cut * size[0], 1 / size, 0.0)
        solution = np.zeros(basis.shape[1], np.longdouble)
        for _ in range(2):
            rest = ((target - basis @ solution) * emphasis).astype(float)
            solution = solution + vt.T @ (inverse * (u.T @ rest))
        error = np.abs(basis @ solution - target).astype(float)
        if error.max() < best[0]:
            best = error.max(), solution
        emphasis *= np.sqrt(error / error.max() + 1e-3)
        emphasis /= emphasis.max()
    return best[1], best[0]


def monomials(solution, powers, x=(1, 0), y=(1, 0)):
    """{(power of s, power of t): coefficient} for Σ T_i(x₀ s + x₁) T_j(y₀ t + y₁), (i, j) in ``powers``."""
    out = {}
    with mp.workdps(60):
        of_s = [chebyshev_powers(n, *x) for n in range(max(i for i, _ in powers) + 1)]
        of_t = [chebyshev_powers(n, *y) for n in range(max(j for _, j in powers) + 1)]
        for (i, j), value in zip(powers, solution, strict=True):
            high = float(value)
            value = mp.mpf(high) + mp.mpf(float(value - np.longdouble(high)))
            for jj, f in enumerate(of_t[j]):
                for ii, g in enumerate(of_s[i]):
                    out[ii, jj] = out.get((ii, jj), 0) + value * f * g
    return out


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


def numbers(values, indent, digits=17):
    """Source lines with the values of a tuple."""
    lines = [""]
    for value in values:
        text = f"{float(mp.nstr(value, digits))!r},"
        if len(lines[-1]) + len(text) + 1 > WIDTH - indent:
            lines.append("")
        lines[-1] += f" {text}" if lines[-1] else text
    return [" " * indent + line for line in lines]


def table(rows, indent, digits):
    """Source lines of a tuple of tuples."""
    lines = []
    for row in rows:
        lines += [" " * indent + "(", *numbers(row, indent + 4, digits), " " * indent + "),"]
    return lines


def write_tables(name, blocks):
    """Puts the blocks between the marks of the file of coefficients; what stands around them is written there by hand."""
    path = COEFFICIENTS / f"_{name}_coefficients.py"
    before, rest = path.read_text().split("# fmt: off\n")
    after = rest.split("# fmt: on\n")[1]
    path.write_text(f"{before}# fmt: off\n" + "\n\n".join(blocks) + f"\n# fmt: on\n{after}")
