"""The base class of every gradient estimator."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor
from torch.distributions import Distribution


class Estimator(abc.ABC):
    """Estimates E_q[f(z)]; the backward pass through the estimate gives the method's gradient estimate.

    A subclass sets ``label`` and ``families`` and implements ``expectation``. The arguments of its constructor are the options
    of ``configs/method/<name>.yaml``, and their annotations are the checks of these options.

    Attributes:
        families: distributions that the method can differentiate, subclasses included.
        elementwise: True if f must work elementwise: each element of its values depends on the same element of the sample only.
        pathwise: True if the estimate is the mean of f over samples of an ``rsample``, so that its gradient flows through the
            samples alone. f may then depend on all samples together, and leave out gradients whose mean is known.
        for_fewer_samples: an option that works where ``check_num_samples`` raises, for the message; empty if there is none.
        traceable: False if ``torch.compile`` cannot compile ``expectation``, or would take longer than is of use.
    """

    families: ClassVar[tuple[type[Distribution], ...]] = ()
    elementwise: ClassVar[bool] = False
    pathwise: bool = False
    for_fewer_samples: ClassVar[str] = ""
    traceable: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not (isinstance(cls.families, tuple) and all(isinstance(family, type) for family in cls.families)):
            raise TypeError(f"{cls.__name__}.families must be a tuple of distribution classes, not {cls.families!r}")

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """Name for tables and figures, including every option that distinguishes variants of the method."""

    def label_for(self, family: type[Distribution]) -> str:
        """``label`` without the options that have no effect on samples of ``family``."""
        return self.label

    @property
    def depends_on_constants(self) -> bool:
        """Whether a constant added to f changes a gradient estimate from a single sample, though not its mean."""
        return False

    def check_num_samples(self, num_samples: int) -> None:
        """Raises ValueError if ``expectation`` cannot work with this number of samples; the message says with which it can."""
        return

    @property
    def has_state(self) -> bool:
        """Whether estimates depend on earlier calls, as with a moving average.

        Without a state, compiled training steps take the estimator's attributes as constants.
        """
        return False

    def state_dict(self) -> dict[str, Any]:
        """What earlier calls have left, for checkpoints: tensors and numbers by name; empty before the first call."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned."""
        return

    @abc.abstractmethod
    def expectation(self, f: Callable[[Tensor], Tensor], q: Distribution, num_samples: int = 1) -> Tensor:
        """The mean of f over samples of q.

        Args:
            f: maps samples of shape (num_samples, *q.batch_shape, *q.event_shape) to values (num_samples, *q.batch_shape); for
                a ``pathwise`` estimator also to values of all samples together, (1, *q.batch_shape).
            q: the distribution; the gradient reaches its parameters and every tensor that f closes over.
            num_samples: number of independent samples to average over.

        Returns:
            The estimate, of shape q.batch_shape.

        Raises:
            NotImplementedError: q is not of one of the method's families.
            ValueError: see ``check_num_samples``.
        """


def supports(estimator: Estimator | type[Estimator], family: type[Distribution]) -> bool:
    """Whether the estimator can differentiate an expectation under the family."""
    return issubclass(family, estimator.families)
