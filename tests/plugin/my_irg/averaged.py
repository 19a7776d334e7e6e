"""Implicit gradients averaged over several draws."""

from collections.abc import Callable

from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.config.types import Count
from irg_experiments.estimators import Estimator
from irg_experiments.implicit.distributions.base import Reparameterizable


class Averaged(Estimator):
    """The mean of f over ``draws`` times as many samples as asked for; the variance of the gradient is ``draws`` times lower.

    Args:
        draws: samples in place of one.
    """

    families = (Reparameterizable,)

    def __init__(self, draws: Count = 4) -> None:
        self.draws = draws

    @property
    def label(self) -> str:
        """See ``Estimator``."""
        return f"implicit, {self.draws} draws"

    def expectation(self, f: Callable[[Tensor], Tensor], q: Distribution, num_samples: int = 1) -> Tensor:
        """See ``Estimator``."""
        return f(q.rsample((self.draws * num_samples,))).mean(0)
