"""Distributions that SciPy lacks, with the few methods of a frozen one that the tests use."""

import math
from typing import Any

import numpy as np
import scipy.integrate
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


class ScipyTwoPieceNormal:
    """Two halves of normal distributions, each weighted by its standard deviation."""

    def __init__(self, loc: float, scale: float, skewness: float) -> None:
        self.loc, self.left, self.right = loc, scipy.stats.norm(loc, scale / skewness), scipy.stats.norm(loc, scale * skewness)
        self.weight = 2 / (1 + skewness**2)  # of the left one, whose half has the probability 1/(1 + γ²)

    def cdf(self, x: Any) -> Any:
        return np.where(x < self.loc, self.weight * self.left.cdf(x), 1 - (2 - self.weight) * self.right.sf(x))

    def logpdf(self, x: Any) -> Any:
        left, right = np.log(self.weight) + self.left.logpdf(x), np.log(2 - self.weight) + self.right.logpdf(x)
        return np.where(x < self.loc, left, right)

    def ppf(self, q: Any) -> Any:
        low = q < self.weight / 2
        left = self.left.ppf(np.where(low, q / self.weight, 0.5))
        return np.where(low, left, self.right.isf(np.where(low, 0.5, (1 - q) / (2 - self.weight))))

    def _integral(self, function: Any) -> float:
        both = ((self.weight, self.left, -40.0, 0.0), (2 - self.weight, self.right, 0.0, 40.0))
        parts = []
        for weight, part, low, high in both:
            ends = (self.loc + low * part.std(), self.loc + high * part.std())
            parts.append(scipy.integrate.quad(lambda x, w=weight, p=part: function(x) * w * p.pdf(x), *ends, epsabs=1e-12)[0])
        return sum(parts)

    def mean(self) -> float:
        return self._integral(lambda x: x)

    def var(self) -> float:
        mean = self.mean()
        return self._integral(lambda x: (x - mean) ** 2)

    def entropy(self) -> float:
        return -self._integral(lambda x: float(self.logpdf(x)))
