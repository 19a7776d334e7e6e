"""Reparameterization through acceptance-rejection sampling (RSVI).

A rejection sampler proposes ε, free of φ, and z = h(ε, φ) is accepted or not. What is accepted still depends on φ, which the
score puts right. For Gamma(a, 1), with the sampler of Marsaglia & Tsang (2000),

    h(ε, a) = c v³,    v = 1 + w,    w = ε / (3 √c),    c = a − 1/3,
    d log h/da = (1 − 3w/(2v)) / c,
    score = 3 (ln v − w + w²/2 − w³/3) + 3w⁴/(2v) + ln c − 1/(6c) − ψ(c + 1/3),

the score being d/da of log q(h) + log |∂h/∂ε|, in which terms of order one that leave one of c^−1.5 have been cancelled by
hand. Augmentation draws g = h(ε, a + B) Π u_i^{1/(a+i)}, i < B, with uniform u_i: the larger shape has the smaller score, and
the u_i have none.

For vM(0, κ), with the wrapped Cauchy proposal of Best & Fisher (1979), s⁻² = 2κ + √(1 + 4κ²) and D = √(1 + 4κ²),

    z = 2 atan(s tan(πu/2)),    dz/dκ = −sin(z)/D,    score = cos z − A(κ) + (κ sin² z − cos z)/D,    A = I₁/I₀.
"""

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.errors import UserError
from irg_experiments.estimators.reparameterized import Draw, Reparameterized
from irg_experiments.estimators.standard import GAMMA_FAMILIES
from irg_experiments.implicit.sampling import standard_gamma, standard_von_mises
from irg_experiments.implicit.special._arithmetic import horner
from irg_experiments.implicit.special.von_mises import circular_variance

# ln c − 1/(6c) − ψ(c + 1/3) = Σ B_k c^−k, k ≥ 2, from the Bernoulli polynomials at 1/3 (DLMF 24.4, 5.11)
_BERNOULLI = (-1 / 36, -1 / 81, 13 / 3240, 1 / 243, -121 / 61236, -7 / 2187, 1093 / 524880)
_LARGE = 30.0


class RSVI(Reparameterized):
    """Gamma, Beta and Dirichlet through Marsaglia & Tsang's sampler, von Mises through Best & Fisher's.

    Args:
        augmentation: B ≥ 0, by which the shape of each Gamma is raised. With B = 0 shapes below one are raised by one, as h
            needs a > 1/3 and its sampler a ≥ 1.
        correction: whether to add the score. Without it the gradient is biased.

    No proposal is made here: the accepted ε follows from a draw of any sampler, as h is invertible.

    Raises:
        UserError: a negative augmentation.

    Source: Naesseth, Ruiz, Linderman & Blei (2017).
    """

    distributions = (*GAMMA_FAMILIES, td.VonMises)

    def __init__(self, augmentation: int = 1, correction: bool = True) -> None:
        if augmentation < 0:
            raise UserError(f"augmentation must be 0 or more, not {augmentation}")
        self.augmentation, self.correction = augmentation, correction

    def draw_log_gamma(self, a: Tensor) -> Draw:
        """See ``Reparameterized``."""
        raised = a + self.augmentation if self.augmentation else torch.where(a < 1, a + 1, a)
        draw = standard_gamma(raised)
        log_draw = draw.log()
        slope, score = _marsaglia_tsang(raised, draw)
        for i in range(max(self.augmentation, 1)):
            # −ln u^{1/(a+i)}, where a was raised
            decrease = torch.empty_like(a).exponential_() / (a + i)
            decrease = torch.where(raised > a, decrease, 0.0)
            log_draw, slope = log_draw - decrease, slope + decrease / (a + i)
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
    # four terms of the logarithm's series, whose w³/3 the cube of v takes along
    remainder = v.log() - w * (1 - w * (1 / 2 - w / 3))
    return slope, 3 * remainder + 1.5 * w.square().square() / v + _normaliser_slope(c)


def _normaliser_slope(c: Tensor) -> Tensor:
    """ln c − 1/(6c) − ψ(c + 1/3)."""
    small, x = c.clamp(max=_LARGE), 1 / c.clamp(min=_LARGE)
    return torch.where(c < _LARGE, small.log() - 1 / (6 * small) - torch.digamma(small + 1 / 3), x * x * horner(_BERNOULLI, x))
