"""The constants of beta.py: Gauss–Legendre rules on [0, 1], and the series DLMF 5.11.1 and 5.11.2.

Usage: python -m tests.fits.beta, which rewrites irg_experiments/implicit/special/_beta_coefficients.py
"""

import mpmath as mp

from tests.fits.polynomials import numbers, write_tables

# the cut leaves out a part e^−cut of the integrals, and the number of nodes matches it
SETTINGS = {
    "float32": {"steps": 4, "terms": 5, "cut": 18.0, "rounds": 3, "nodes": 12},
    "float64": {"steps": 8, "terms": 8, "cut": 36.0, "rounds": 3, "nodes": 24},
}
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


def block(name, nodes, **scalars):
    rule = legendre(nodes)
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
