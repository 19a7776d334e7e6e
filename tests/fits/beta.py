"""The constants of beta.py: quadrature rules on [0, 1], and the series DLMF 5.11.1 and 5.11.2.

Usage: python -m tests.fits.beta, which rewrites irg_experiments/implicit/special/_beta_coefficients.py (a minute). The rule of
float64 is Gauss and Legendre's. That of float32 is fitted to the integrands themselves, whose number of independent directions is
about twice the number of nodes (generalized Gaussian quadrature: Bremer, Gimbutas & Rokhlin 2010).
"""

import mpmath as mp
import numpy as np
import torch
from numpy.polynomial import legendre as series_of_legendre
from scipy.optimize import least_squares
from scipy.special import betaincinv, roots_legendre

from irg_experiments.implicit.special import beta
from tests.fits.polynomials import numbers, write_tables

# the cut leaves out a part e^−cut of the integrals of Legendre's rule, and the number of nodes matches it
SETTINGS = {
    "float32": {"steps": 4, "terms": 5, "cut": 14.0, "rounds": 2, "quick": True, "nodes": 9},
    "float64": {"steps": 8, "terms": 8, "cut": 36.0, "rounds": 3, "quick": False, "nodes": 24},
}
STARTS = 6  # of the fit, which has several minima
mp.mp.dps = 50


def legendre(count):
    """Nodes and weights on [0, 1]."""
    rule = []
    for k in range(count):
        x = mp.cos(mp.pi * (k + mp.mpf(3) / 4) / (count + mp.mpf(1) / 2))
        for _ in range(8):  # Newton's method, which doubles the digits each time
            value, before = mp.legendre(count, x), mp.legendre(count - 1, x)
            slope = count * (x * value - before) / (x * x - 1)
            x -= value / slope
        rule.append(((1 - x) / 2, 1 / ((1 - x * x) * slope**2)))
    return sorted(rule)


def integrands(k):
    """On 90 points of Legendre's rule: each integrand times its share in E, G or I, and the integral to infinity."""
    rng, count = np.random.default_rng(0), 4000
    p = np.where(rng.random(count) < 0.7, rng.random(count), 10 ** rng.uniform(-12, 0, count))
    a, b = 10 ** rng.uniform(-2.5, 3.5, (2, count))
    z = betaincinv(a, b, p)
    inner = (z > 1e-300) & (z < 1)
    a, b, z = (torch.tensor(value[inner]) for value in (a, b, z))
    _, (a, b, x, other, log_x, log_other) = beta._lower_side(a, b, z, 1 - z, z.log(), (-z).log1p())
    exact = beta.BETA_RULES[torch.float64]
    e, g = beta._reduced_derivatives(exact, a, b, x, other, log_x, log_other)
    terms, last, ratios = beta._recurrence(k, a, b, x)
    top = a + k.steps
    of_e = -beta._digamma_difference(exact, top, b) - log_x
    of_g = log_other + beta._digamma_difference(exact, b + k.steps, a)
    of_g = of_g + sum((1 + a / (b + n)) * ratio for n, ratio in enumerate(ratios))
    small, sign, slope, half = beta._sides(top, b, x, other)
    length = beta._tail_length(k, top, b, x, other, small, sign, slope)
    total = sum(terms) + last * beta._tail_integrals(exact, top, b, x, other)[2]

    def values(points):
        odds = length[:, None] * torch.tensor(points)
        h = (small[:, None] * (sign[:, None] * odds).expm1()).log1p()
        weight = (last * length)[:, None] * (slope[:, None] * odds - (top + b)[:, None] * h).exp()
        r, s = torch.where(half[:, None], odds + h, h), torch.where(half[:, None], -h, odds - h)
        shares = (of_e[:, None] + r) / e[:, None], (of_g[:, None] + s) / g[:, None], 1 / total[:, None]
        return np.concatenate([(weight * share).numpy() for share in shares])

    points, weights = (value / 2 for value in roots_legendre(90))
    inside, outside = values(points + 0.5), values(2 * (points + 0.5) + 1)
    targets = inside @ weights + 2 * outside @ weights
    finite = np.isfinite(targets) & np.isfinite(inside).all(1)
    return points + 0.5, weights, inside[finite], targets[finite]


def fitted(count, k):
    """Nodes and weights that minimise the mean squared error of the integrals."""
    points, weights, values, targets = integrands(k)
    u, size, directions = np.linalg.svd(values * np.sqrt(weights), full_matrices=False)
    kept = size > 1e-17 * size[0]
    size, basis = size[kept], directions[kept] / np.sqrt(weights)
    moments = np.linalg.lstsq(u[:, kept] * size, targets, rcond=1e-16)[0]
    powers = series_of_legendre.legvander(2 * points - 1, len(points) - 1)
    basis, integrand = np.linalg.solve(powers, basis.T), np.linalg.solve(powers, values.T)
    slopes = np.stack([series_of_legendre.legder(column) for column in basis.T], 1)
    scale = size / np.sqrt(len(values))

    def at(series, x):
        return series_of_legendre.legval(2 * x[:count] - 1, series)

    def rest(rule):
        return scale * (at(basis, rule) @ rule[count:] - moments)

    def jacobian(rule):
        return scale[:, None] * np.concatenate([2 * at(slopes, rule) * rule[count:], at(basis, rule)], 1)

    found, rng = [], np.random.default_rng(0)
    x, w = roots_legendre(count)
    for _ in range(STARTS):
        power, stretch = rng.uniform(0.9, 1.7), rng.uniform(0.8, 1.0)
        start = ((1 + x) / 2) ** power * stretch, w / 2 * power * ((1 + x) / 2) ** (power - 1) * stretch
        rule = least_squares(rest, np.concatenate(start), jacobian, method="lm", xtol=3e-16, ftol=3e-16, gtol=3e-16).x
        if (rule > 0).all() and (rule[:count] < 1.1).all():
            found.append((np.square(at(integrand, rule) @ rule[count:] - targets).mean(), rule))
    mean_square, rule = min(found, key=lambda pair: pair[0])
    worst = abs(at(integrand, rule) @ rule[count:] - targets).max()
    print(f"{count} nodes: error {mean_square**0.5:.1e}, at most {worst:.1e}")
    return sorted(zip(rule[:count], rule[count:], strict=True))


def block(name, nodes, quick, **scalars):
    unfinished = beta.BetaRule(nodes=(), weights=(), quick=quick, **scalars)
    rule = fitted(nodes, unfinished) if quick else legendre(nodes)
    scalars["quick"] = quick
    lines = [f"_{name.upper()} = BetaRule("] + [f"    {key}={value}," for key, value in scalars.items()]
    for key, index in (("nodes", 0), ("weights", 1)):
        lines += [f"    {key}=(", *numbers([r[index] for r in rule], 8), "    ),"]
    return "\n".join([*lines, ")"])


def series(name, comment, terms):
    return "\n".join([f"# {comment}", f"{name} = (", *numbers(terms, 4), ")"])


def main():
    digamma = [mp.bernoulli(2 * k) / (2 * k) for k in range(1, 9)]
    stirling = [mp.bernoulli(2 * k) / (2 * k * (2 * k - 1)) for k in range(1, 9)]
    blocks = [
        series("DIGAMMA_TERMS", "ln x − 1/(2x) − ψ(x), by power of x⁻² from the first (DLMF 5.11.2)", digamma),
        series(
            "STIRLING_TERMS",
            "the remainder of Stirling's formula for ln Γ(x), times x, by power of x⁻² (DLMF 5.11.1)",
            stirling,
        ),
    ]
    write_tables("beta", blocks + [block(name, **setting) for name, setting in SETTINGS.items()])


if __name__ == "__main__":
    main()
