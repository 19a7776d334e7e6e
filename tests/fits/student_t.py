"""Fits the polynomials of student_t.py.

In the notation of the module docstring of student_t.py they are

    R(q, N) = N (d(N, q) − g(q)),    as powers of x = 1/(1 + (1 + q)^(1/3)) − 1/4 and v = 1/(N + B),
    P(y) = (atanh(r)/r − 1)/r²,      as powers of y = r², for r ≤ 1/2,
    λ(N) = κ(N − 1) − 1/(2N),        as powers of v, for N between 2 steps and 4 steps.

R is fitted by weighted least squares in a Chebyshev product basis, re-weighted towards the minimax fit, and solved in
double precision with the residual refined in extended precision. The weights make the residual the relative error that
R causes in the final derivative. P and λ are interpolated at Chebyshev nodes.

Usage: OMP_NUM_THREADS=1 python -m tests.fits.student_t, which rewrites irg_experiments/implicit/special/_student_t_coefficients.py
"""

import math
import sys

import mpmath as mp
import numpy as np
from scipy.stats import t as student

from tests.fits.polynomials import (
    DIGITS,
    extended,
    interpolate,
    minimax,
    monomials,
    nodes,
    numbers,
    table,
    triangle,
    write_tables,
)

# rows: the number of powers of x that go with each power of v
SETTINGS = {
    "float32": {"steps": 2, "b": 0.5, "log_terms": 7, "kappa_terms": 8, "rows": [11, 10, 8, 6, 4, 3]},
    "float64": {"steps": 5, "b": 0.5, "log_terms": 15, "kappa_terms": 10, "rows": [18, 17, 15, 13, 11, 9, 7, 6, 4, 3, 2]},
}
TAIL = 1e-13  # smallest tail probability that the fit is asked to cover
mp.mp.dps = 40


def kappa(n):
    """(ψ((n + 1)/2) − ψ(n/2))/2, the expectation of ln cosh Y."""
    return (mp.digamma((n + 1) / mp.mpf(2)) - mp.digamma(n / mp.mpf(2))) / 2


def scaled_derivative(n, q):
    """d = n (dt/dn)/t as a function of q = t²/n."""
    log_cosh = mp.log1p(q) / 2
    lost = float(n * log_cosh) / math.log(10) if q < 1 else 0
    with mp.workdps(45 + int(1.1 * lost) + int(math.log10(1 + n))):
        n, q = mp.mpf(n), mp.mpf(q)
        return mp.mpf(1) / 2 - n * (_from_centre(n, q) if q < 1 else _from_tail(n, q))


def _from_tail(n, q):
    """−coth(y) dY/dn by the recurrence n → n + 2, run to its end; every term is positive."""
    c, log_cosh = 1 / (1 + q), mp.log1p(q) / 2
    weight, k, total, m, eps = mp.mpf(1), kappa(n + 1), mp.mpf(0), n, mp.eps
    while True:
        term = weight * (log_cosh + k) / m
        total += term
        k -= 1 / ((m + 1) * (m + 2))
        weight *= (m + 1) / m * c
        m += 2
        if abs(weight) < eps:
            return total


def _from_centre(n, q):
    """The same by the power series of the incomplete Beta function in q/(1 + q)."""
    w = q / (1 + q)
    bracket = kappa(n) - mp.log1p(q) / 2
    term, total, k, eps = mp.mpf(1), mp.mpf(0), 0, mp.eps
    while True:
        total += term * bracket
        bracket += 1 / (n + 1 + 2 * k)
        term *= (n + 1 + 2 * k) / (3 + 2 * mp.mpf(k)) * w
        k += 1
        if term * max(1, abs(bracket)) < eps * abs(total) and (n + 1 + 2 * k) * w < 3 + 2 * k:
            return total


def leading(q):
    if q == 0:
        return mp.mpf(0)
    with mp.workdps(60):
        return (1 - mp.log1p(q) * (1 + q) / q) / 2


def x_of(q):
    return 1 / (1 + mp.cbrt(1 + q))


def q_of(x):
    return (1 / mp.mpf(x) - 1) ** 3 - 1


def points(steps):
    """(N, q, R, weight) where R is used at the parameter itself, and where it is used at the raised one."""
    low = 2 * steps
    for s in [*(low / (1 - u) for u in nodes(0.0, 1.0, 34) if u < 0.9999)]:
        top = float(student.isf(TAIL, s)) ** 2 / s
        for x in nodes(float(x_of(top)), 0.5, 40):
            q = q_of(x)
            d = scaled_derivative(s, q)
            yield s, q, s * (d - leading(q)), 1 / (s * abs(d))
    for n in [1e-3, *nodes(0.0, low, 14)]:
        for x in nodes(1e-3, 0.5, 30):
            q, s = q_of(x), n + 2 * steps
            gain = 1 / (1 + q) ** steps
            for j in range(steps):
                gain *= (n + 2 * j + 1) / (n + 2 * j + 2)
            d = scaled_derivative(s, q)
            yield s, q, s * (d - leading(q)), gain / (s * abs(scaled_derivative(n, q)))


def data(steps):
    rows = list(points(steps))
    s = np.array([np.longdouble(r[0]) for r in rows])
    x = np.array([extended(x_of(r[1])) for r in rows])
    return s, x, np.array([extended(r[2]) for r in rows]), np.array([float(r[3]) for r in rows])


def fit(s, x, r, weight, rows, b, steps):
    """Coefficients [power of x, counted from 1/4][power of v] and the largest weighted residual."""
    scale = 2 * (2 * steps + b)
    powers = triangle(rows)
    solution, error = minimax(4 * x - 1, scale / (s + b) - 1, r, weight, powers)
    found = monomials(solution, powers, x=(4, 0), y=(mp.mpf(scale), -1))
    return [[found[i, j] for j, n in enumerate(rows) if i < n] for i in range(rows[0])], error


def log_series(y):
    r = mp.sqrt(y)
    return (mp.atanh(r) / r - 1) / y


def fit_kappa(steps, b, terms):
    b = mp.mpf(b)
    return interpolate(lambda v: kappa(1 / v - b - 1) - 1 / (2 * (1 / v - b)), 1 / (4 * steps + b), 1 / (2 * steps + b), terms)


def block(name, steps, b, log_terms, kappa_terms, rows):
    """The source text of the constants of one precision."""
    coefficients, error = fit(*data(steps), rows, b, steps)
    print(f"{name}: R causes a relative error of at most {error:.1e}", file=sys.stderr)
    lines = [f"_{name.upper()} = StudentTFit(", f"    steps={steps},", f"    b={b},"]
    lines += ["    log=(", *numbers(interpolate(log_series, 0, 0.25, log_terms), 8, DIGITS[name]), "    ),"]
    lines += ["    kappa=(", *numbers(fit_kappa(steps, b, kappa_terms), 8, DIGITS[name]), "    ),"]
    return "\n".join([*lines, "    r=(", *table(coefficients, 8, DIGITS[name]), "    ),", ")"])


def main():
    write_tables("student_t", (block(name, **setting) for name, setting in SETTINGS.items()))


if __name__ == "__main__":
    main()
