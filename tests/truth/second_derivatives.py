"""Writes second_derivatives.json: second derivatives of samples at a fixed distribution function, computed with mpmath.

Each section is a list of rows: the arguments, which are float32 values, and the results, as float64.

    gamma       a, z, D, ∂D/∂a, ∂D/∂z, d²z/da², ∂²P/∂a²                D = dz/da
    log_gamma   a, l, E, ∂E/∂a, ∂E/∂l, d²l/da²                         E = dl/da at l = ln z
    student_t   n, t, D, ∂D/∂n, ∂D/∂t, d²t/dn², ∂²F/∂n²                D = dt/dn
    von_mises   κ, z, D, ∂D/∂κ, ∂D/∂z, d²z/dκ², ∂²F/∂κ²                D = dz/dκ
    von_mises_fisher   d, κ, θ, D, ∂D/∂κ, ∂D/∂θ, d²θ/dκ²               D = dθ/dκ
    beta        a, b, z, A, ∂A/∂a, ∂A/∂b, ∂A/∂z, B, ∂B/∂b, ∂B/∂z, ∂²I/∂a², ∂²I/∂a∂b     A = dz/da, B = dz/db; ∂B/∂a follows

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

from tests.truth import beta, gamma, student_t, von_mises, von_mises_fisher

PATH = Path(__file__).with_suffix(".json")
mp.mp.dps = 40
STEP = mp.mpf(10) ** -13
TAILS = (1e-12, 1e-6, 1e-2, 0.2, 0.5, 0.8, 0.99, 1 - 1e-6)


def single(x):
    return float(np.float32(x))


def difference(function, x):
    """The derivative of a function that has 40 digits, by a central difference."""
    with mp.workdps(60):
        x = mp.mpf(x)
        h = x * STEP
        return (function(x + h) - function(x - h)) / (2 * h)


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


def student_t_rows():
    for index, n in enumerate([*np.logspace(-2, 4, 25), 1.0, 2.0, 1e6, 1e8]):
        n = single(n)
        for t in (1e-12, 1e-6, 1e-2, 0.2, 0.45, 0.7, 0.999)[index % 2 :: 2]:
            x = single(np.clip(stats.t.ppf(t, n), -1e30, 1e30))
            yield univariate_row(n, x, student_t.derivative, student_t_log_density)


def student_t_log_density(n, t):
    """The derivatives of ln p in n and t, and ln p."""
    q = t * t / n
    in_n = student_t.kappa(n) - 1 / (2 * n) - mp.log1p(q) / 2 + (n + 1) / (2 * n) * q / (1 + q)
    log_p = mp.loggamma((n + 1) / 2) - mp.loggamma(n / 2) - mp.log(mp.pi * n) / 2 - (n + 1) / 2 * mp.log1p(q)
    return in_n, -(n + 1) * t / (n + t * t), log_p


def von_mises_rows():
    for index, (k, z) in enumerate(von_mises.inputs()):
        if index % 4 == (index // 13) % 4 and abs(z) < 3.1415 and k < 2e8:
            yield univariate_row(k, z, von_mises_derivative, von_mises_log_density)


def von_mises_derivative(k, z):
    return -mp.sin(z) * von_mises.derivative_over_sine(k, mp.cos(z / 2) ** 2)


def von_mises_log_density(k, z):
    s = mp.sin(z / 2) ** 2
    log_p = -2 * k * s - mp.log(2 * mp.pi * von_mises.scaled_i0(k))
    return von_mises.one_minus_ratio(k) - 2 * s, -k * mp.sin(z), log_p


def von_mises_fisher_rows():
    for d in (2, 3, 4, 10, 100):
        for index, k in enumerate(np.float32(np.logspace(-3, 5, 9))):
            for w in von_mises_fisher.quantiles(d, float(k))[index % 2 :: 3]:
                if abs(w) < 1:
                    yield von_mises_fisher_row(d, float(k), single(np.arccos(w)))


def von_mises_fisher_row(d, k, angle):
    theta = mp.mpf(angle)

    def ratio(k):
        return von_mises_fisher.ratio_and_log_bessel(k, mp.mpf(d) / 2 - 1)[0]

    def derivative(k):
        with mp.workdps(45):
            return -von_mises_fisher.sample_grad(d, k, mp.cos(theta), ratio(k)) / mp.sin(theta)

    grad, in_k = derivative(mp.mpf(k)), difference(derivative, k)
    in_angle = -(mp.cos(theta) - ratio(mp.mpf(k))) - (-k * mp.sin(theta) + (d - 2) * mp.cot(theta)) * grad
    return [d, k, angle, grad, in_k, in_angle, in_k + in_angle * grad]


def check_von_mises_fisher(rows):
    """∂D/∂κ of d = 2, the von Mises distribution."""
    circle = [row for row in rows if row[0] == 2 and 1e-2 < row[1] < 2e4]
    return max(
        abs(univariate_row(k, z, von_mises_derivative, von_mises_log_density)[3] / row[4] - 1)
        for row in circle
        for _, k, z in [row[:3]]
    )


def univariate_row(parameter, z, derivative, log_density):
    with mp.workdps(60):
        phi, z = mp.mpf(parameter), mp.mpf(z)
        d = derivative(phi, z)
        d_phi = difference(lambda x: derivative(x, z), phi)
        in_phi, in_z, log_p = log_density(phi, z)
        d_z = -in_phi - in_z * d
        return [parameter, z, d, d_phi, d_z, d_phi + d_z * d, -mp.exp(log_p) * (d_phi + in_phi * d)]


def check_student_t(rows):
    """∂²F/∂n² from second differences of mpmath's incomplete beta function."""
    return check_in_parameter(rows, student_t.cdf, 100)


def check_von_mises(rows):
    """∂²F/∂κ² from second differences of the distribution function."""

    def cdf(k, z):
        tail = von_mises.upper_tail(k, abs(z))
        return tail if z < 0 else 1 - tail

    return check_in_parameter(rows, cdf, 30)


def check_in_parameter(rows, cdf, largest):
    h = mp.mpf(10) ** -8
    worst = mp.mpf(0)
    for phi, z, *_, expected in rows[::7]:
        if 1e-2 <= phi < largest:
            with mp.workdps(40):
                second = [cdf(mp.mpf(phi) * (1 + k * h), z) for k in (-1, 0, 1)]
                second = (second[0] - 2 * second[1] + second[2]) / (phi * h) ** 2
            worst = max(worst, abs(second / expected - 1))
    return worst


def beta_rows():
    rng = np.random.default_rng(20240521)
    for _ in range(110):
        yield beta_row(*beta.draw(rng))


def beta_row(a, b, z):
    def both(a, b):
        return beta.truth(a, b, z, 60)[:2]

    with mp.workdps(60):
        a, b, z = mp.mpf(a), mp.mpf(b), mp.mpf(z)
        d_a, d_b = both(a, b)
        step_a, step_b = a * STEP, b * STEP
        right, left = both(a + step_a, b), both(a - step_a, b)
        up, down = both(a, b + step_b), both(a, b - step_b)
        aa, ab = (right[0] - left[0]) / (2 * step_a), (up[0] - down[0]) / (2 * step_b)
        bb = (up[1] - down[1]) / (2 * step_b)
        log_p_a = mp.log(z) - mp.digamma(a) + mp.digamma(a + b)
        log_p_b = mp.log1p(-z) - mp.digamma(b) + mp.digamma(a + b)
        log_p_z = (a - 1) / z - (b - 1) / (1 - z)
        p = beta.density(a, b, z) / (z * (1 - z))
        in_aa, in_ab = -p * (aa + log_p_a * d_a), -p * (ab + log_p_b * d_a)
        return [a, b, z, d_a, aa, ab, -log_p_a - log_p_z * d_a, d_b, bb, -log_p_b - log_p_z * d_b, in_aa, in_ab]


def check_beta(rows):
    """∂²I/∂a∂b from differences of the distribution function, which mpmath computes by another series."""
    h, worst = mp.mpf(10) ** -8, mp.mpf(0)
    for a, b, z, *_, expected in rows[::6]:
        if a < 50 and b < 50:
            with mp.workdps(45):
                ends = [
                    [mp.betainc(a * (1 + i * h), b * (1 + j * h), 0, z, regularized=True) for j in (-1, 1)] for i in (-1, 1)
                ]
                mixed = (ends[1][1] - ends[1][0] - ends[0][1] + ends[0][0]) / (4 * a * b * h * h)
            worst = max(worst, abs(mixed / expected - 1))
    return worst


SECTIONS = {
    "gamma": gamma_rows,
    "log_gamma": log_gamma_rows,
    "student_t": student_t_rows,
    "von_mises": von_mises_rows,
    "von_mises_fisher": von_mises_fisher_rows,
    "beta": beta_rows,
}
CHECKS = {
    "gamma": check_gamma,
    "student_t": check_student_t,
    "von_mises": check_von_mises,
    "von_mises_fisher": check_von_mises_fisher,
    "beta": check_beta,
}


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
