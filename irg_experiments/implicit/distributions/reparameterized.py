"""Any univariate distribution with a distribution function, made differentiable by the implicit rule."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, TransformedDistribution, constraints
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.rule import reparameterize


class Reparameterized(Reparameterizable):
    """The distribution ``base``, whose ``rsample`` carries the gradient −(∂F/∂φ)/q, whatever sampler ``base`` has.

    Args:
        base: a continuous distribution of scalars, with ``cdf`` and ``log_prob``; its parameters φ receive the gradient, if
            its ``cdf`` is differentiable in them.
        validate_args: whether values are checked against the support; ``base`` also follows its own setting.

    Raises:
        TypeError: ``base`` is discrete or has no distribution function.
        ValueError: ``base`` is a distribution of vectors or matrices.

    Everything but ``rsample`` is that of ``base``. In its upper half −survival_function takes the place of the cdf where
    ``base`` has it: the two differ by a constant, and the upper tail keeps its digits. A generator is handed to ``base`` if
    it takes one, else lent to the global one of the device for the draw. Where the density of a draw rounds to 0 the
    gradient is not finite. Second derivatives raise NotImplementedError.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, base: Distribution, validate_args: bool | None = None):
        check_univariate(base)
        self.base = base
        super().__init__(base.batch_shape, validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: None = None) -> "Reparameterized":
        """The same distribution with the batch expanded to ``batch_shape``."""
        return Reparameterized(self.base.expand(torch.Size(batch_shape)), self._validate_args)

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        value = self.sample(sample_shape, generator)
        with torch.no_grad():
            density = self.base.log_prob(value).exp()
        return reparameterize(value, self._standardization, jacobian=density)

    def sample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples from ``base``."""
        return sample_from(self.base, sample_shape, generator)

    def _standardization(self, value: Tensor) -> Tensor:
        cdf = self.base.cdf(value)
        if not hasattr(self.base, "survival_function"):
            return cdf
        return torch.where(cdf.detach() > 0.5, -self.base.survival_function(value), cdf)

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
        if self._validate_args:
            self._validate_sample(value)
        return self.base.log_prob(value)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value)."""
        if self._validate_args:
            self._validate_sample(value)
        return self.base.cdf(value)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, where ``base`` has it."""
        return self.base.icdf(value)

    def __repr__(self) -> str:
        return f"Reparameterized({self.base})"


def check_univariate(base: Distribution) -> None:
    """Raises TypeError or ValueError, with what to do instead, unless ``base`` is continuous, of scalars, and has a cdf."""
    name = type(base).__name__
    if _is_discrete(base):
        raise TypeError(
            f"{name} is discrete, and its samples have no derivative: use a continuous relaxation or score_function"
        )
    if base.event_shape:
        raise ValueError(
            f"{name} has events of shape {tuple(base.event_shape)}, but scalars are needed: wrap its univariate parts"
        )
    if not _has_cdf(base):
        raise TypeError(f"{name} has no cdf: subclass it with one, or take the class of this package, where there is one")


def _is_discrete(base: Distribution) -> bool:
    try:
        return base.support is not None and base.support.is_discrete
    except NotImplementedError:
        return False


def _has_cdf(base: Distribution) -> bool:
    method = type(base).cdf
    if isinstance(base, TransformedDistribution) and method is TransformedDistribution.cdf:
        return _has_cdf(base.base_dist)
    if isinstance(base, MixtureSameFamily) and method is MixtureSameFamily.cdf:
        return _has_cdf(base.component_distribution)
    return method is not Distribution.cdf


def sample_from(base: Distribution, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
    """Draws from any distribution, also from one whose ``sample`` takes no generator."""
    if isinstance(base, Independent):
        return sample_from(base.base_dist, sample_shape, generator)
    if generator is None:
        return base.sample(sample_shape)
    if isinstance(base, Reparameterizable):
        return base.sample(sample_shape, generator)
    with _lent(generator):
        return base.sample(sample_shape)


@contextmanager
def _lent(generator: torch.Generator) -> Iterator[None]:
    """Within, the global generator of the device goes on from the state of ``generator``; after, each has its own again."""
    own = _global_generator(generator.device)
    state = own.get_state()
    own.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(own.get_state())
        own.set_state(state)


def _global_generator(device: torch.device) -> torch.Generator:
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda":
        return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    raise NotImplementedError(
        f"this distribution takes no generator on {device.type}: seed the global one by torch.manual_seed"
    )
