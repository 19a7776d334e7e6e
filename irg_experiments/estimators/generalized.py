"""The generalized reparameterization gradient (G-REP): a standardization that removes the first two moments.

For g ~ Gamma(a, 1), log g has mean ψ(a) and variance ψ₁(a), so that ε = (log g − ψ(a)) / √ψ₁(a) depends on a only through its
higher moments. With ε held fixed,

    slope = d log g/da = ψ₁ + ε ψ₂ / (2 √ψ₁),
    score = d/da [a log g − g − ln Γ(a) + ln √ψ₁] = (log g − ψ) + (a − g) · slope + ψ₂ / (2 ψ₁).
"""

import torch
from torch import Tensor

from irg_experiments.config.types import Fraction
from irg_experiments.estimators.baseline import Baseline, Constant, Kind, Scored
from irg_experiments.estimators.reparameterized import Draw, Reparameterized
from irg_experiments.implicit.sampling import standard_log_gamma


class Generalized(Scored, Reparameterized):
    """Gamma, Beta and Dirichlet by standardizing each log-Gamma to mean zero and variance one.

    For the Gamma this is the standardization of Ruiz et al. Beta and Dirichlet are standardized through their Gammas here; Ruiz
    et al. standardize their logits instead.

    Args:
        baseline, constant, decay: what is subtracted from f where the score multiplies it, see ``Baseline``.

    Raises:
        ValueError: a constant is missing or without effect.

    Source: Ruiz, Titsias & Blei (2016), without a baseline.
    """

    def __init__(self, baseline: Kind = "none", constant: Constant = None, decay: Fraction = 0.99) -> None:
        self.baseline = Baseline(baseline, constant, decay)

    @property
    def label(self) -> str:
        """See ``Estimator``; no baseline is not mentioned."""
        return "G-REP" if self.baseline.kind == "none" else f"G-REP, {self.baseline.words}"

    @property
    def depends_on_constants(self) -> bool:
        """See ``Estimator``."""
        return self.baseline.is_fixed

    def draw_log_gamma(self, a: Tensor) -> Draw:
        """See ``Reparameterized``."""
        log_g = standard_log_gamma(a)
        trigamma, tetragamma = torch.polygamma(1, a), torch.polygamma(2, a)
        distance = log_g - torch.digamma(a)
        half_ratio = tetragamma / (2 * trigamma)
        slope = trigamma + distance * half_ratio
        return Draw(log_g, slope, distance + (a - log_g.exp()) * slope + half_ratio)
