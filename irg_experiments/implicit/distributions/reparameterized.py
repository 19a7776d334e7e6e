"""Implicit gradients for any univariate distribution that has a cumulative distribution function."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Distribution, Independent, constraints
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable, ReparameterizableByCDF, reparameterize_by_cdf
from irg_experiments.implicit.distributions.tails import check_univariate


class Reparameterized(ReparameterizableByCDF):
    """The distribution ``base`` with samples that carry the implicit gradient −(∂F/∂φ)/q, for any sampler of ``base``.

    Args:
        base: a continuous distribution of scalars with ``cdf`` and ``log_prob``. Its parameters φ receive the gradient if its
            ``cdf`` is differentiable in them.
        validate_args: whether to check values against the support; ``base`` also follows its own setting.

    Raises:
        TypeError: ``base`` is discrete or has no distribution function.
        ValueError: ``base`` is a distribution of vectors or matrices.

    Everything except ``rsample`` is delegated to ``base``. If ``base`` has a ``survival_function``, the gradient is accurate in
    the upper tail too. If ``sample`` of ``base`` takes no generator, the global one of the device takes the state of the given
    one for the draw. The gradient is 0 where the density of a draw rounds to 0. Second derivatives need
    nested transformations of torch.func, such as jacrev(jacrev(f)); otherwise they raise NotImplementedError.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, base: Distribution, validate_args: bool | None = None):
        check_univariate(base)
        self.base = base
        super().__init__(base.batch_shape, validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        return sample_from(self.base, shape[: len(shape) - len(self.batch_shape)], generator)

    def _reparameterized(self, value: Tensor) -> Tensor:
        return reparameterize_by_cdf(value, self.base)

    @property
    def support(self) -> constraints.Constraint | None:
        """The support of ``base``."""
        return self.base.support

    @property
    def mean(self) -> Tensor:
        """The mean of ``base``."""
        return self.base.mean

    @property
    def mode(self) -> Tensor:
        """The mode of ``base``."""
        return self.base.mode

    @property
    def variance(self) -> Tensor:
        """The variance of ``base``."""
        return self.base.variance

    def entropy(self) -> Tensor:
        """The entropy of ``base``, in nats."""
        return self.base.entropy()

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density of ``base``, in nats."""
        return self.base.log_prob(self._validated(value))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value)."""
        return self.base.cdf(self._validated(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by ``icdf`` of ``base`` if it has one, else found numerically."""
        try:
            return self.base.icdf(value)
        except NotImplementedError:
            return super().icdf(value)

    def _saturated(self, value: Tensor) -> Tensor:
        return self.base._saturated(value) if isinstance(self.base, Reparameterizable) else super()._saturated(value)

    def __repr__(self) -> str:
        return f"Reparameterized({self.base})"


def sample_from(base: Distribution, sample_shape: _size = Size(), generator: Generator | None = None) -> Tensor:
    """Draw from any distribution, including one whose ``sample`` takes no generator."""
    if isinstance(base, Independent):
        return sample_from(base.base_dist, sample_shape, generator)
    if generator is None:
        return base.sample(sample_shape)
    if isinstance(base, Reparameterizable):
        return base.sample(sample_shape, generator)
    with _lent(generator):
        return base.sample(sample_shape)


@contextmanager
def _lent(generator: Generator) -> Iterator[None]:
    """Give the state of ``generator`` to the device's global one in the block; afterwards store it back and restore both."""
    own = _global_generator(generator.device)
    state = own.get_state()
    own.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(own.get_state())
        own.set_state(state)


def _global_generator(device: torch.device) -> Generator:
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda":
        return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    raise NotImplementedError(
        f"this distribution takes no generator on {device.type}: call torch.manual_seed and pass no generator"
    )
