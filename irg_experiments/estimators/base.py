"""The protocol of every gradient estimator."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor
from torch.distributions import Distribution


class Estimator(Protocol):
    """Estimates E_q[f(z)] so that its backward pass gives the method's gradient estimate."""

    @property
    def distributions(self) -> tuple[type[Distribution], ...]:
        """The families whose expectations the method can differentiate."""
        ...

    def expectation(self, f: Callable[[Tensor], Tensor], q: Distribution, num_samples: int = 1) -> Tensor:
        """The mean of f over samples of q.

        Args:
            f: maps samples of shape (num_samples, *q.batch_shape, *q.event_shape) to values (num_samples, *q.batch_shape).
            q: the distribution; the gradient reaches its parameters, and whatever f closes over.
            num_samples: independent samples to average over.

        Returns:
            The estimate, of shape q.batch_shape.
        """
        ...


def supports(estimator: Estimator, family: type[Distribution]) -> bool:
    """Whether the estimator can differentiate an expectation under the family."""
    return issubclass(family, estimator.distributions)
