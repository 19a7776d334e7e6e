"""The score-function estimator (REINFORCE), which needs nothing but a log-density."""

from collections.abc import Callable

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.errors import UserError
from irg_experiments.estimators.standard import GAMMA_FAMILIES, base_of, gammas, log_prob_from_log_gammas
from irg_experiments.implicit.sampling import standard_log_gamma

BASELINES = ("none", "moving_average", "leave_one_out")


class ScoreFunction:
    """∇φ E[f(z)] = E[(f(z) − b) ∇φ log q_φ(z)], for every distribution with a ``log_prob``; f need not be differentiable.

    Gamma, Beta and Dirichlet take log q from the logarithms of the Gammas, finite where the sample itself underflows.

    Args:
        baseline: b, which lowers the variance and leaves the mean alone. "none"; "moving_average", one number: the
            exponential moving average of f over all earlier calls that record gradients, zero at the first one, kept in the
            estimator and lost with it, checkpoints included; "leave_one_out", the mean of the other samples of the call,
            which with a single sample is "none".
        decay: of the moving average, 0 ≤ decay < 1.

    Raises:
        UserError: an unknown baseline, or a decay out of range.

    Source: Williams (1992); baselines by Mnih & Gregor (2014) and Kool et al. (2019); the surrogate by Foerster et al. (2018).
    """

    distributions = (td.Distribution,)

    def __init__(self, baseline: str = "leave_one_out", decay: float = 0.99) -> None:
        if baseline not in BASELINES:
            raise UserError(f"baseline must be one of {', '.join(BASELINES)}, not {baseline}")
        if not 0 <= decay < 1:
            raise UserError(f"decay must be at least 0 and below 1, not {decay}")
        self.baseline, self.decay = baseline, decay
        self._average: Tensor | None = None

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``irg_experiments.estimators.base.Estimator``."""
        sample, log_prob = _draw(q, num_samples)
        values = f(sample)
        ratio = (log_prob - log_prob.detach()).exp()  # one, whose every derivative is that of the density
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
    standard = gammas(q)
    concentration = standard.parameter.detach().expand(num_samples, *standard.parameter.shape)
    log_gamma = standard_log_gamma(concentration)
    return standard.sample(log_gamma).detach(), log_prob_from_log_gammas(q, log_gamma)
