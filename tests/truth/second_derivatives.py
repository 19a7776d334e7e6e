"""Writes second_derivatives.json: second derivatives of samples at a fixed distribution function, computed with mpmath.

Each section is a list of rows: the arguments, which are float32 values, and the results, as float64.

    gamma       a, z, D, ∂D/∂a, ∂D/∂z, d²z/da², ∂²P/∂a²                D = dz/da
    log_gamma   a, l, E, ∂E/∂a, ∂E/∂l, d²l/da²                         E = dl/da at l = ln z

The first derivatives D are those of the other scripts of this folder, as functions of arguments of any precision. Their
derivatives in parameters are central differences with more digits than the differences lose. That in z is

    ∂D/∂z = −∂(ln p)/∂φ − D ∂(ln p)/∂z,

the derivative of p D = −∂F/∂φ, with the density p. Then d²z/dφ² = ∂D/∂φ + D ∂D/∂z, and ∂²F/∂φ² = −p (∂D/∂φ + D ∂(ln p)/∂φ).
A sample of the rows is computed again by an independent method, named at each section.

Usage: python -m tests.truth.second_derivatives
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy import stats

from tests.truth import gamma

PATH = Path(__file__).with_suffix(".json")
mp.mp.dps = 40
STEP = mp.mpf(10) ** -20
TAILS = (1e-12, 1e-6, 1e-2, 0.2, 0.5, 0.8, 0.99, 1 - 1e-6)


def single(x):
    return float(np.float32(x))


def difference(function, x):
    """The derivative of a function that takes and returns 60 digits, by a central difference of order 2 in 1e-20."""
    with mp.workdps(60):
        x = mp.mpf(x)
        h = x * STEP
        return (function(x + h) - function(x - h)) / (2 * h)


def spread(*rows):
    """Every n-th tail with every n-th shape, so that all tails occur at every magnitude of shapes."""
    return [pair for index, row in enumerate(rows) for pair in row[index % 2 :: 2]]


def gamma_rows():
    for index, a in enumerate([*np.logspace(-3, 4, 29), 1.0, 2.0, 1e5, 1e6]):
        a = single(a)
        tails = TAILS[index % 2 :: 2] if a < 1e5 else TAILS[1:7:5]
        points = [single(stats.gamma.ppf(t, a)) for t in tails]
        if a >= 1e-2:
            points.append(a)
        for z in points:
            if z > gamma.SMALLEST:
                yield gamma_row(a, z)


def gamma_row(a, z):
    with mp.workdps(60):
        z = mp.mpf(z)
        d = gamma.sample_derivative(a, z) * z
        d_a = difference(lambda a: gamma.sample_derivative(a, z) * z, a)
        log_p_a = mp.log(z) - mp.digamma(a)
        d_z = -log_p_a - ((a - 1) / z - 1) * d
        p = mp.exp((a - 1) * mp.log(z) - z - mp.loggamma(a))
        return [a, z, d, d_a, d_z, d_a + d_z * d, -p * (d_a + log_p_a * d)]


def log_gamma_rows():
    """Also where e^l underflows."""
    for a in map(single, (1e-4, 1e-3, 0.01, 0.05, 0.1, 0.3, 1.0, 3.0, 30.0, 1000.0)):
        for t in (1e-12, 1e-6, 0.01, 0.5, 0.99):
            log_z = (
                single((np.log(t) + float(mp.loggamma(1 + a))) / a)
                if a < 2 and t < 0.9
                else single(np.log(stats.gamma.ppf(t, a)))
            )
            yield log_gamma_row(a, log_z)


def log_gamma_row(a, log_z):
    with mp.workdps(60):

        def derivative(a):
            return gamma.sample_derivative(a, float(mp.exp(log_z)), log_z)

        e = derivative(a)
        e_a = difference(derivative, a)
        e_l = -(log_z - mp.digamma(a)) - (a - mp.exp(log_z)) * e
        return [a, log_z, e, e_a, e_l, e_a + e_l * e]


def check_gamma(rows):
    """∂²P/∂a² from second differences of mpmath's incomplete gamma function."""
    return max(
        abs(mp.diff(lambda a, z=z: mp.gammainc(a, 0, z, regularized=True), a, 2) / row[6] - 1)
        for a, z, *_ in rows[::17]
        for row in rows
        if row[:2] == [a, z] and a < 100 and row[6] != 0
    )


SECTIONS = {"gamma": gamma_rows, "log_gamma": log_gamma_rows}
CHECKS = {"gamma": check_gamma}


def main():
    parts = []
    for name, generate in SECTIONS.items():
        rows = list(generate())
        if name in CHECKS:
            worst = CHECKS[name](rows)
            print(f"{name}: {len(rows)} rows, the two methods agree to {mp.nstr(worst, 3)}")
            if worst > 1e-12:
                raise SystemExit(f"{name}: the two methods differ by {mp.nstr(worst, 3)}")
        else:
            print(f"{name}: {len(rows)} rows")
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps([float(x) for x in row]) for row in rows) + "\n]")
    PATH.write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
