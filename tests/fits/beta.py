"""The constants of beta.py: quadrature rules on [0, 1], and the series DLMF 5.11.1 and 5.11.2.

Usage: python -m tests.fits.beta, which rewrites irg_experiments/implicit/special/_beta_coefficients.py (a minute or two). The
rules are fitted to the integrands themselves, whose number of independent directions is about twice the number of nodes
(generalized Gaussian quadrature: Bremer, Gimbutas & Rokhlin 2010): from a rule of Legendre with too many nodes, nodes are removed
one by one, and the others are moved until the rule is right again. The moments, the residuals and the steps are those of numpy's
long double: in double precision the rule of float64 would not be better than 1e-14.
"""

from typing import NamedTuple

import mpmath as mp
import numpy as np
import torch
from scipy.special import betaincinv

from irg_experiments.implicit.special import beta
from irg_experiments.implicit.special._beta_coefficients import BetaRule
from tests.fits.polynomials import extended, numbers, write_tables

# the number of nodes matches the cut; the mean error of a rule is not made smaller than ``goal``
SETTINGS = {
    "float32": {"steps": 4, "terms": 5, "cut": 14.0, "rounds": 2, "careful": 0, "nodes": 9, "goal": 1e-11},
    "float64": {"steps": 12, "terms": 6, "cut": 30.0, "rounds": 2, "careful": 6, "nodes": 15, "goal": 1.5e-16},
}
# the integrals reach to where Φ is at least this
REACH = 37.0
INTEGRANDS, POINTS, FIRST_NODES = 5000, 70, 24
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


def extended_legendre(count):
    """The same as arrays of long doubles."""
    return np.array([[extended(value) for value in pair] for pair in legendre(count)]).T


def arguments():
    """a, b and z, more of them where the lower side ends: there the integrands differ most."""
    rng = np.random.default_rng(0)
    p = np.where(rng.random(INTEGRANDS) < 0.7, rng.random(INTEGRANDS), 10 ** rng.uniform(-12, 0, INTEGRANDS))
    a, b = 10 ** rng.uniform(-2.5, 3.5, (2, INTEGRANDS))
    first, second = a + beta._SIDE, b + beta._SIDE
    inward = np.where(rng.random(INTEGRANDS) < 0.3, 0, rng.exponential(0.5, INTEGRANDS) * np.sqrt(1 / first + 1 / second))
    edge = 1 / (1 + second / first * np.exp(inward))
    z = np.where(rng.random(INTEGRANDS) < 0.4, edge, betaincinv(a, b, p))
    inner = (z > 1e-300) & (z < 1)
    return (torch.tensor(value[inner]) for value in (a, b, z))


class Family(NamedTuple):
    """Each integrand times its share in E, G or I, as a series of Legendre's polynomials on [0, end], and its integral."""

    end: float
    series: np.ndarray
    integrals: np.ndarray


def integrands(k, exact):
    """Those of the rule k, from E and G by the rule ``exact``."""
    a, b, z = arguments()
    _, (a, b, x, other, log_x, log_other) = beta._lower_side(a, b, z, 1 - z, z.log(), (-z).log1p())
    e, g = beta._reduced_derivatives(exact, a, b, x, other, log_x, log_other)
    terms, last, reciprocals = beta._recurrence(k, a, b, x)
    top = a + k.steps
    of_e = -beta._digamma_difference(exact, top, b, top + b) - log_x
    of_g = log_other + beta._digamma_difference(exact, b + k.steps, a, top + b)
    of_g = of_g + sum((1 + a / (b + n)) * ratio for n, ratio in enumerate(reciprocals))
    small, sign, slope, half = beta._sides(top, b, x, other)
    length = beta._tail_length(k, top, b, x, other, small, sign, slope)
    total = sum(terms) + last * beta._tail_integrals(exact, top, b, x, other)[2]
    columns = (e, g, total, last, top + b, of_e, of_g, small, sign, slope, length)
    e, g, total, last, both, of_e, of_g, small, sign, slope, length = (
        c.numpy().astype(np.longdouble)[:, None] for c in columns
    )

    end = REACH / k.cut
    points, weights = extended_legendre(POINTS)
    odds = length * points * end
    h = np.log1p(small * np.expm1(sign * odds))
    weight = last * length * np.exp(slope * odds - both * h)
    half = half.numpy()[:, None]
    r, s = np.where(half, odds + h, h), np.where(half, -h, odds - h)
    values = np.concatenate([weight * (of_e + r) / e, weight * (of_g + s) / g, weight / total])
    values = values[np.isfinite(values).all(1)]
    degrees = 2 * np.arange(POINTS) + 1
    series = (values * weights) @ (polynomials(points)[0] * degrees[:, None]).T
    return Family(end, series, end * series[:, 0])


def polynomials(x):
    """Those of Legendre on [0, 1] and their derivatives, by degree."""
    t = 2 * x - 1
    values, slopes = [np.ones_like(t), t], [np.zeros_like(t), np.full_like(t, 2)]
    for n in range(2, POINTS):
        values.append(((2 * n - 1) * t * values[-1] - (n - 1) * values[-2]) / n)
        slopes.append(slopes[-2] + 2 * (2 * n - 1) * values[-2])
    return np.stack(values), np.stack(slopes)


class Fit:
    """Rules for a family; the square of a residual is the mean squared error of the integrals."""

    def __init__(self, family):
        self.family, end = family, family.end
        # directions of the family, orthonormal on [0, end], by their size
        norms = np.sqrt(end / (2 * np.arange(POINTS) + 1))
        _, size, directions = np.linalg.svd((family.series * norms).astype(float), full_matrices=False)
        kept = size > 1e-18 * size[0]
        self.basis = directions[kept] / norms * (size[kept] / np.sqrt(len(family.series)))[:, None]
        self.moments = end * self.basis[:, 0]

    def at(self, nodes):
        """The directions and their derivatives at the nodes."""
        values, slopes = polynomials(nodes / self.family.end)
        return self.basis @ values, self.basis @ slopes / self.family.end

    def largest_error(self, nodes, weights):
        """Of all integrals."""
        return np.abs(self.family.series @ polynomials(nodes / self.family.end)[0] @ weights - self.family.integrals).max()

    def improved(self, nodes, weights, goal, rounds):
        """The rule after Levenberg's and Marquardt's method, and the root of its mean squared error."""
        (values, slopes), damping, slow = self.at(nodes), 1e-8, 0
        rest = values @ weights - self.moments
        error = np.sqrt(rest @ rest)
        for _ in range(rounds):
            gaps = np.diff(nodes, prepend=0, append=self.family.end)
            gaps = np.minimum(gaps[1:], gaps[:-1])
            units = np.concatenate([gaps, weights])
            jacobian = np.concatenate([slopes * weights, values], 1) * units / error
            system = np.concatenate([jacobian, np.sqrt(damping) * np.eye(len(units))])
            step = least_squares(system, np.concatenate([-rest / error, np.zeros(len(units))]))
            # nodes stay in order and weights positive
            moves, growths = np.split(step, 2)
            shorter = max(np.abs(moves).max() / 0.4, -growths.min() / 0.7, 1)
            new = nodes + gaps * moves / shorter, weights + weights * growths / shorter
            values_there, slopes_there = self.at(new[0])
            rest_there = values_there @ new[1] - self.moments
            error_there = np.sqrt(rest_there @ rest_there)
            if error_there < error:
                slow = slow + 1 if error_there > 0.985 * error else 0
                (nodes, weights), values, slopes, rest, error = new, values_there, slopes_there, rest_there, error_there
                damping = max(damping / 5, 1e-14)
            else:
                damping *= 10
            if error < goal or slow > 40 or damping > 1e6:
                break
        return nodes, weights, error


def least_squares(matrix, target):
    """The solution by Householder's reflections, as LAPACK knows no long doubles."""
    both = np.concatenate([matrix, target[:, None]], 1)
    count = matrix.shape[1]
    for j in range(count):
        v = both[j:, j].copy()
        v[0] += np.copysign(np.sqrt(v @ v), v[0])
        both[j:, j:] -= np.outer(v, v @ both[j:, j:]) * (2 / (v @ v))
    solution = np.zeros(count, np.longdouble)
    for j in reversed(range(count)):
        solution[j] = (both[j, count] - both[j, j + 1 : count] @ solution[j + 1 :]) / both[j, j]
    return solution


def fitted(family, count, goal):
    """Nodes and weights."""
    fit = Fit(family)
    nodes, weights = extended_legendre(FIRST_NODES) * family.end
    nodes, weights, error = fit.improved(nodes, weights, goal, 20)
    while len(nodes) > count:
        nodes, weights, error = without_one_node(fit, nodes, weights, goal)
    print(f"{count} nodes: error {error:.1e}, at most {fit.largest_error(nodes, weights):.1e}")
    return [(float(node), float(weight)) for node, weight in zip(nodes, weights, strict=True)]


def without_one_node(fit, nodes, weights, goal):
    """The rule without the node of least weight after which the goal is reached, or the best one."""
    importance = weights * np.sqrt(np.square(fit.at(nodes)[0]).sum(0))
    rounds, tried = 80 if len(nodes) > 17 else 250, []
    for j in np.argsort(importance):
        tried.append(fit.improved(np.delete(nodes, j), np.delete(weights, j), goal, rounds))
        if tried[-1][2] < 1.01 * goal:
            break
    return min(tried, key=lambda rule: rule[2])


def precise():
    """A rule of Legendre that is more accurate than the fitted ones, if slower."""
    nodes, weights = zip(*legendre(40), strict=True)
    scalars = {"steps": 12, "terms": 6, "cut": 40.0, "rounds": 4, "careful": 40}
    return BetaRule(**scalars, nodes=tuple(map(float, nodes)), weights=tuple(map(float, weights)))


def block(name, exact, nodes, goal, **scalars):
    rule = fitted(integrands(BetaRule(**scalars, nodes=(), weights=()), exact), nodes, goal)
    lines = [f"_{name.upper()} = BetaRule("] + [f"    {key}={value}," for key, value in scalars.items()]
    for key, index in (("nodes", 0), ("weights", 1)):
        lines += [f"    {key}=(", *numbers([r[index] for r in rule], 8), "    ),"]
    return "\n".join([*lines, ")"])


def series(name, comment, terms):
    return "\n".join([f"# {comment}", f"{name} = (", *numbers(terms, 4), ")"])


def main():
    digamma = [mp.bernoulli(2 * k) / (2 * k) for k in range(1, 7)]
    stirling = [mp.bernoulli(2 * k) / (2 * k * (2 * k - 1)) for k in range(1, 7)]
    nodes, weights = zip(*legendre(24), strict=True)
    blocks = [
        series("DIGAMMA_TERMS", "ln x − 1/(2x) − ψ(x), by power of x⁻² from the first (DLMF 5.11.2)", digamma),
        series(
            "STIRLING_TERMS",
            "the remainder of Stirling's formula for ln Γ(x), times x, by power of x⁻² (DLMF 5.11.1)",
            stirling,
        ),
        series("LEGENDRE_NODES", "the rule of Gauss and Legendre on [0, 1], which is not fitted to any integrand", nodes),
        series("LEGENDRE_WEIGHTS", "its weights", weights),
    ]
    exact = precise()
    write_tables("beta", blocks + [block(name, exact, **setting) for name, setting in SETTINGS.items()])


if __name__ == "__main__":
    main()
