"""Reparameterization through acceptance-rejection sampling (RSVI).

A rejection sampler proposes ε from a distribution that does not depend on φ, and accepts or rejects z = h(ε, φ). The
distribution of the accepted ε depends on φ; the score corrects for it. For Gamma(a, 1), with the sampler of Marsaglia & Tsang
(2000),

    h(ε, a) = c v³,    v = 1 + w,    w = ε / (3 √c),    c = a − 1/3,
    d log h/da = (1 − 3w/(2v)) / c,
    score = 3 (ln v − w + w²/2 − w³/3) + 3w⁴/(2v) + ln c − 1/(6c) − ψ(c + 1/3),

where the score is d/da of log q(h) + log |∂h/∂ε|, written so that the terms of order one cancel analytically and what is left
is of order c⁻². Augmentation draws g = h(ε, a + B) Π u_i^{1/(a+i)}, i < B, with uniform u_i: a larger shape has a smaller
score, and that of the u_i is zero.

For vM(0, κ), with the wrapped Cauchy proposal of Best & Fisher (1979), s⁻² = 2κ + √(1 + 4κ²) and D = √(1 + 4κ²),

    z = 2 atan(s tan(πu/2)),    dz/dκ = −sin(z)/D,    score = cos z − A(κ) + (κ sin² z − cos z)/D,    A = I₁/I₀.
"""

from typing import Annotated

import torch
import torch.distributions as td
from pydantic import Field, Strict
from torch import Tensor

from irg_experiments.config.types import Boolean, Fraction, Must
from irg_experiments.estimators.baseline import Baseline, Constant, Kind, Scored
from irg_experiments.estimators.reparameterized import Draw, Reparameterized
from irg_experiments.estimators.standard import GAMMA_FAMILIES
from irg_experiments.implicit.sampling import standard_gamma, standard_von_mises
from irg_experiments.implicit.special.von_mises import circular_variance

# ln c − 1/(6c) − ψ(c + 1/3) = Σ b_k c^−k, k ≥ 2, b_k = (−1)^k B_k(1/3)/k, B_k the Bernoulli polynomials (DLMF 24.4, 5.11)
_BERNOULLI = (-1 / 36, -1 / 81, 13 / 3240, 1 / 243, -121 / 61236, -7 / 2187, 1093 / 524880)
_LARGE = 30.0

# each unit of B costs one exponential variable per Gamma
Augmentation = Annotated[int, Strict(), Field(ge=0, le=1000), Must("a whole number from 0 to 1000")]


class RSVI(Scored, Reparameterized):
    """Gamma, Beta and Dirichlet through Marsaglia & Tsang's sampler, von Mises through Best & Fisher's.

    Args:
        augmentation: B, 0 ≤ B ≤ 1000, which is added to the shape of each Gamma. With B = 0, one is added to shapes below one,
            because h needs a > 1/3 and its sampler a ≥ 1. Von Mises has no augmentation.
        correction: whether to add the score. Without it the gradient is biased.
        baseline, constant, decay: what is subtracted from f where the score multiplies it, see ``Baseline``.

    Raises:
        ValueError: a baseline without the correction, or a constant that is missing or without effect.

    The rejection sampler itself is not run: h is invertible, so any exact sampler's draw determines the accepted ε.

    Source: Naesseth, Ruiz, Linderman & Blei (2017), without a baseline.
    """

    families = (*GAMMA_FAMILIES, td.VonMises)

    def __init__(
        self,
        augmentation: Augmentation = 1,
        correction: Boolean = True,
        baseline: Kind = "none",
        constant: Constant = None,
        decay: Fraction = 0.99,
    ) -> None:
        self.augmentation, self.correction = augmentation, correction
        self.baseline = Baseline(baseline, constant, decay)
        if not correction and baseline != "none":
            raise ValueError("a baseline changes the correction alone: use baseline=none with correction=false.")

    @property
    def label(self) -> str:
        """See ``Estimator``; no baseline is not mentioned."""
        return f"RSVI, B = {self.augmentation}{self._variant}"

    def label_for(self, family: type[td.Distribution]) -> str:
        """See ``Estimator``; only Gammas have an augmentation."""
        return self.label if issubclass(family, GAMMA_FAMILIES) else f"RSVI{self._variant}"

    @property
    def _variant(self) -> str:
        correction = "" if self.correction else ", no correction"
        return correction if self.baseline.kind == "none" else f"{correction}, {self.baseline.words}"

    @property
    def depends_on_constants(self) -> bool:
        """See ``Estimator``."""
        return self.correction and self.baseline.is_fixed

    def draw_log_gamma(self, a: Tensor) -> Draw:
        """See ``Reparameterized``."""
        raised = a + self.augmentation if self.augmentation else torch.where(a < 1, a + 1, a)
        draw = standard_gamma(raised)
        slope, score = _marsaglia_tsang(raised, draw)
        # −ln u is made from uniform draws, all at once: torch draws exponential variables one at a time
        uniform = torch.rand(max(self.augmentation, 1), *a.shape, dtype=a.dtype, device=a.device)
        shapes = a + torch.arange(len(uniform), device=a.device).view(-1, *[1] * a.ndim)
        decrease = torch.where(raised > a, -(-uniform).log1p() / shapes, 0.0)  # −ln u^{1/(a+i)}, where the shape was raised
        log_draw, slope = draw.log() - decrease.sum(0), slope + (decrease / shapes).sum(0)
        return Draw(log_draw, slope, score if self.correction else None)

    def draw_angle(self, concentration: Tensor) -> Draw:
        """See ``Reparameterized``."""
        angle = standard_von_mises(concentration)
        root = torch.hypot(2 * concentration, torch.ones_like(concentration))
        sin, cos = angle.sin(), angle.cos()
        excess = circular_variance(concentration) - 2 * (0.5 * angle).sin().square()  # cos z − A without cancellation
        score = excess + (concentration * sin.square() - cos) / root
        return Draw(angle, -sin / root, score if self.correction else None)


def _marsaglia_tsang(a: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """d log h/da and the score at g = h(ε, a)."""
    c = a - 1 / 3
    v = (g / c).pow(1 / 3)
    w = v - 1
    slope = (1 - 1.5 * w / v) / c
    # ln v minus the first three terms of its series in w
    remainder = v.log() - w * (1 - w * (1 / 2 - w / 3))
    return slope, 3 * remainder + 1.5 * w.square().square() / v + _normaliser_slope(c)


def _normaliser_slope(c: Tensor) -> Tensor:
    """ln c − 1/(6c) − ψ(c + 1/3)."""
    small, x = c.clamp(max=_LARGE), 1 / c.clamp(min=_LARGE)
    series = torch.zeros_like(x)
    for coefficient in reversed(_BERNOULLI):
        series = series * x + coefficient
    return torch.where(c < _LARGE, small.log() - 1 / (6 * small) - torch.digamma(small + 1 / 3), x * x * series)
