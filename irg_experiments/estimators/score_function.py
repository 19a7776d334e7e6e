"""The score-function estimator (REINFORCE), which needs only a log-density."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.types import Fraction
from irg_experiments.estimators.base import Estimator
from irg_experiments.estimators.standard import GAMMA_FAMILIES, base_of, log_prob_from_log_gammas, standardize
from irg_experiments.implicit.sampling import standard_log_gamma


class ScoreFunction(Estimator):
    """∇φ E[f(z)] = E[(f(z) − b) ∇φ log q_φ(z)], for every distribution with a ``log_prob``; f need not be differentiable.

    Gamma, Beta and Dirichlet compute log q from the logarithms of the Gammas, finite where the sample itself underflows.

    Args:
        baseline: b, which lowers the variance and does not change the mean. "none"; "moving_average", a single number: the
            exponential moving average of f over all earlier calls that record gradients, zero at the first call, kept in the
            estimator and not saved in checkpoints; "leave_one_out", the mean over the other samples of the call, which is
            "none" for a single sample.
        decay: of the moving average, 0 ≤ decay < 1.

    Source: Williams (1992); baselines by Mnih & Gregor (2014) and Kool et al. (2019); the surrogate by Foerster et al. (2018).
    """

    families = (td.Distribution,)

    def __init__(
        self, baseline: Literal["none", "moving_average", "leave_one_out"] = "leave_one_out", decay: Fraction = 0.99
    ) -> None:
        self.baseline, self.decay = baseline, decay
        self._average: Tensor | None = None

    @property
    def label(self) -> str:
        """See ``Estimator``; the default baseline is not mentioned."""
        variants = {"none": ", no baseline", "moving_average": f", moving average, decay = {self.decay:g}"}
        return f"score function{variants.get(self.baseline, '')}"

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``Estimator``."""
        sample, log_prob = _draw(q, num_samples)
        values = f(sample)
        ratio = (log_prob - log_prob.detach()).exp()  # one, with the derivatives of the density divided by its value
        surrogate = values * ratio
        baseline = self._baseline(values.detach())
        if baseline is not None:
            surrogate = surrogate + baseline * (1 - ratio)
        return surrogate.mean(0)

    def _baseline(self, values: Tensor) -> Tensor | None:
        if self.baseline == "leave_one_out" and len(values) > 1:
            return (values.sum(0) - values) / (len(values) - 1)
        if self.baseline == "moving_average":
            earlier = self._average
            if torch.is_grad_enabled():
                mean = values.mean()
                self._average = mean if earlier is None else torch.lerp(mean, earlier, self.decay)
            return earlier
        return None


def _draw(q: td.Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
    """Samples and their log-density, which carries the gradient."""
    if not isinstance(base_of(q), GAMMA_FAMILIES):
        sample = q.sample((num_samples,))
        return sample, q.log_prob(sample)
    standard = standardize(q)
    concentration = standard.parameter.detach().expand(num_samples, *standard.parameter.shape)
    log_gamma = standard_log_gamma(concentration)
    return standard.sample(log_gamma).detach(), log_prob_from_log_gammas(q, log_gamma)
