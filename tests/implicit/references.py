"""Distributions that SciPy lacks, with the few methods of a frozen one that the tests use."""

import math
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
import torch


class ScipyMixture:
    """A mixture of normals with the few methods of a frozen SciPy distribution that the tests use."""

    def __init__(self, logits: list[float], loc: list[float], scale: list[float]) -> None:
        weights = torch.tensor(logits).double().softmax(0).numpy()
        self.parts = [(w, scipy.stats.norm(m, s)) for w, m, s in zip(weights, loc, scale, strict=True)]

    def cdf(self, x: Any) -> Any:
        return sum(w * part.cdf(x) for w, part in self.parts)

    def logpdf(self, x: Any) -> Any:
        density = sum(w * part.pdf(x) for w, part in self.parts)
        return torch.as_tensor(density).log().numpy()

    def ppf(self, q: Any) -> Any:
        return sum(w * part.ppf(q) for w, part in self.parts)  # any points of the support will do


class ScipyKumaraswamy:
    """Kumaraswamy's distribution, which SciPy lacks, with the same methods."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b

    def cdf(self, x: Any) -> Any:
        return -np.expm1(self.b * np.log1p(-(x**self.a)))

    def logpdf(self, x: Any) -> Any:
        return np.log(self.a * self.b) + (self.a - 1) * np.log(x) + (self.b - 1) * np.log1p(-(x**self.a))

    def ppf(self, q: Any) -> Any:
        return (-np.expm1(np.log1p(-q) / self.b)) ** (1 / self.a)

    def expect(self, power: int) -> float:
        shifted = 1 + power / self.a
        return self.b * math.exp(math.lgamma(shifted) + math.lgamma(self.b) - math.lgamma(shifted + self.b))

    def mean(self) -> float:
        return self.expect(1)

    def var(self) -> float:
        return self.expect(2) - self.expect(1) ** 2

    def entropy(self) -> float:
        # E[log(1 − z^a)] = −1/b, and a E[log z] = −(ψ(b + 1) + γ)
        harmonic = scipy.special.digamma(self.b + 1) + np.euler_gamma
        return -math.log(self.a * self.b) + (self.a - 1) / self.a * harmonic + (self.b - 1) / self.b
