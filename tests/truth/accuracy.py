"""Writes irg_experiments/experiments/accuracy/truth/accuracy.json, the reference of experiment=accuracy, shipped in the wheel.

For each distribution two lists of rows [parameter, ..., z, dz/d(first parameter)], computed by mpmath: "paper", the protocol of
the authors' code, shape parameters 1e-2, ..., 1e3 and 50 samples each, and "wide", the rows of the other files of this folder.
Of the Beta the second shape takes the same six values; Student-t has degrees of freedom 0.3, 1, ..., 1e4. All arguments are
float32 values. Samples that float32 would round to an end of the support are drawn again.

Usage: python -m tests.truth.accuracy
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats

from irg_experiments.experiments.accuracy.measure import TRUTH
from tests.truth import beta, gamma, student_t, von_mises

SHAPES = (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
DFS = (0.3, 1.0, 1e1, 1e2, 1e3, 1e4)
SAMPLES = 50


def single(x):
    return float(np.float32(x))


def repeated(draw, valid):
    while True:
        z = single(draw())
        if valid(z):
            return z


def gamma_rows(rng):
    for a in map(single, SHAPES):
        for _ in range(SAMPLES):
            z = repeated(lambda a=a: rng.gamma(a), lambda z: z > gamma.SMALLEST)
            yield [a, z, float(gamma.sample_derivative(a, z) * z)]


def beta_rows(rng):
    for a in map(single, SHAPES):
        for n in range(SAMPLES):
            b = single(SHAPES[n % len(SHAPES)])
            z = repeated(lambda a=a, b=b: rng.beta(a, b), lambda z: 1e-30 < z < 1)
            yield [a, b, z, float(beta.truth(a, b, z)[0])]


def student_t_rows(rng):
    for df in map(single, DFS):
        for _ in range(SAMPLES):
            t = single(stats.t.ppf(rng.uniform(1e-12, 1), df))
            yield [df, t, float(student_t.derivative(df, t))]


def von_mises_rows(rng):
    for kappa in map(single, SHAPES):
        for _ in range(SAMPLES):
            z = repeated(lambda kappa=kappa: rng.vonmises(0, kappa), lambda z: 0 < abs(z) < 3.14159)
            yield [kappa, z, von_mises.row(kappa, z)[2]]


def wide(name):
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text())


def within(rows, low, high):
    return [row for row in rows if low <= row[0] <= high * 1.001]


def main():
    rng = np.random.default_rng(20240519)
    tables = {
        "Gamma": {
            "paper": list(gamma_rows(rng)),
            "wide": within([[a, z, float(d)] for a, z, d in wide("gamma")["sample"]], 1e-3, 1e6),
        },
        "Beta": {"paper": list(beta_rows(rng)), "wide": [row[:4] for row in wide("beta")]},
        "Student-t": {"paper": list(student_t_rows(rng)), "wide": within([row[:3] for row in wide("student_t")], 0.3, 1e4)},
        "von Mises": {"paper": list(von_mises_rows(rng)), "wide": von_mises_wide()},
    }
    TRUTH.write_text(json.dumps(tables, separators=(",", ":")).replace("]],", "]],\n") + "\n")
    print({name: {kind: len(rows) for kind, rows in kinds.items()} for name, kinds in tables.items()})


def von_mises_wide():
    """Without the points at the end of the circle, where the derivative is zero."""
    return within([row[:3] for row in wide("von_mises") if abs(row[1]) < 3.1415], 1e-3, 1e5)


if __name__ == "__main__":
    main()
