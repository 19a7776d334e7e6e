"""Prints _beta_coefficients.py, the constants of beta.py: Gauss–Legendre rules on [0, 1], and the series DLMF 5.11.1 and 5.11.2.

Usage: python -m tests.fits.beta > irg_experiments/implicit/special/_beta_coefficients.py
"""

import mpmath as mp

from tests.fits.polynomials import numbers

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


HEAD = '''"""Constants of ``beta.py``, whose docstring defines them; made by ``python -m tests.fits.beta``."""

from typing import NamedTuple

import torch


class BetaRule(NamedTuple):
    """The constants of one precision."""

    steps: int  # of the recurrence
    terms: int  # of the asymptotic series
    cut: float  # Φ at the end of the integrals
    rounds: int  # of Newton's method for the end
    nodes: tuple[float, ...]  # of the Gauss–Legendre rule on [0, 1]
    weights: tuple[float, ...]


# fmt: off
# ln x − 1/(2x) − ψ(x), by power of x⁻² from the first (DLMF 5.11.2)
'''


def main():
    digamma = [mp.bernoulli(2 * k) / (2 * k) for k in range(1, 9)]
    stirling = [mp.bernoulli(2 * k) / (2 * k * (2 * k - 1)) for k in range(1, 9)]
    text = HEAD + "\n".join(["DIGAMMA_TERMS = (", *numbers(digamma, 4), ")\n\n"])
    text += "# the remainder of Stirling's formula for ln Γ(x), times x, by power of x⁻² (DLMF 5.11.1)\n"
    text += "\n".join(["STIRLING_TERMS = (", *numbers(stirling, 4), ")\n\n"])
    text += "\n\n".join(block(name, **setting) for name, setting in SETTINGS.items())
    print(text + "\n# fmt: on\n\nBETA_RULES = {torch.float32: _FLOAT32, torch.float64: _FLOAT64}")


if __name__ == "__main__":
    main()
