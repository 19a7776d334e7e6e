"""The Rényi bound."""

from torch import Tensor

from irg_experiments.config.types import Fraction
from irg_experiments.models.common import Expectation
from irg_experiments.models.objectives import Objective, log_mean_exp, log_weight, posteriors
from irg_experiments.models.vae import VAE


class RenyiBound(Objective):
    """E[ln (1/K) Σ w_k^(1−α)] / (1 − α), between the importance-weighted and the evidence lower bound.

    Args:
        alpha: α, 0 ≤ α < 1; with 0 it is the importance-weighted bound.

    Source: Li & Turner (2016).
    """

    multi_sample = True

    def __init__(self, alpha: Fraction) -> None:
        self.power = 1 - alpha

    def bound(self, model: VAE, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """See ``Objective``."""
        q, _ = posteriors(model, x)
        log_w = log_weight(model, x, q, kl_weight)
        return expectation(lambda z: log_mean_exp(self.power * log_w(z)) / self.power, q, num_samples)
