"""The score-function estimator (REINFORCE), which needs only a log-density."""

from collections.abc import Callable

import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Fraction
from irg_experiments.estimators.baseline import Baseline, Constant, Kind, Scored
from irg_experiments.estimators.standard import GAMMA_FAMILIES, base_of, log_prob_from_log_gammas, standardize
from irg_experiments.implicit.sampling import standard_log_gamma


class ScoreFunction(Scored):
    """∇φ E[f(z)] = E[(f(z) − b) ∇φ log q_φ(z)], for every distribution with a ``log_prob``; f need not be differentiable.

    Gamma, Beta and Dirichlet compute log q from the logarithms of the Gammas, finite where the sample itself underflows.

    Args:
        baseline, constant, decay: b, see ``Baseline``.

    Raises:
        ValueError: a constant is missing or without effect.

    Source: Williams (1992); the surrogate by Foerster et al. (2018).
    """

    families = (td.Distribution,)

    def __init__(self, baseline: Kind = "auto", constant: Constant = None, decay: Fraction = 0.99) -> None:
        self.baseline = Baseline(baseline, constant, decay)

    @property
    def label(self) -> str:
        """See ``Estimator``; the automatic baseline is not mentioned."""
        return "score function" if self.baseline.kind == "auto" else f"score function, {self.baseline.words}"

    @property
    def depends_on_constants(self) -> bool:
        """See ``Estimator``."""
        return self.baseline.is_fixed

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``Estimator``."""
        sample, log_prob = _draw(q, num_samples)
        values = f(sample)
        ratio = (log_prob - log_prob.detach()).exp()  # one, with the derivatives of the density divided by its value
        surrogate = values * ratio
        baseline = self.baseline(values.detach())
        if baseline is not None:
            surrogate = surrogate + baseline * (1 - ratio)
        return surrogate.mean(0)


def _draw(q: td.Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
    """Samples and their log-density, which carries the gradient."""
    if not isinstance(base_of(q), GAMMA_FAMILIES):
        sample = q.sample((num_samples,))
        return sample, q.log_prob(sample)
    standard = standardize(q)
    concentration = standard.parameter.detach().expand(num_samples, *standard.parameter.shape)
    log_gamma = standard_log_gamma(concentration)
    return standard.sample(log_gamma).detach(), log_prob_from_log_gammas(q, log_gamma)
