"""The abstract base classes of the distributions: sampling, expansion, validation and saturation."""

import abc
import math
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Distribution
from torch.types import _size

from irg_experiments.implicit._autograd import is_traced
from irg_experiments.implicit.distributions.quantile import numerical_icdf
from irg_experiments.implicit.distributions.tails import between, support_ends
from irg_experiments.implicit.rule import reparameterize_where_steep


class Reparameterizable(Distribution, abc.ABC):
    """Base class of every distribution in this package; ``rsample`` and ``sample`` take a ``torch.Generator``.

    A subclass implements ``_draw`` with operations that carry the gradient of the samples. If the cumulative distribution
    function is known but no differentiable sampler is, subclass ``ReparameterizableByCDF`` instead. If torch has a class for
    the distribution, list it as the second base.
    """

    has_rsample = True
    _torch_expands: ClassVar[bool]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # decided once per class, as torch.compile cannot compare functions
        cls._torch_expands = super().expand is not Distribution.expand

    @abc.abstractmethod
    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        """Return samples of the given shape, ``sample_shape + batch_shape + event_shape``, with their gradient."""

    def rsample(self, sample_shape: _size = Size(), generator: Generator | None = None) -> Tensor:
        """Draw samples that carry their gradient.

        Args:
            sample_shape: leading dimensions of the result.
            generator: source of randomness; the global generator of the device if None.

        Returns:
            Samples of shape ``sample_shape + batch_shape + event_shape``.
        """
        return self._draw(self._extended_shape(sample_shape), generator)

    def rsample_from(self, uniform: Tensor) -> Tensor:
        """Map given uniform variables to samples that carry their gradient: z = F⁻¹(u), for quasi-Monte Carlo.

        The gradient is that of the quantile at fixed u, which is the implicit one, dz/dφ = −(∂F/∂φ)/q(z); dz/du = 1/q(z).
        Points that fill (0, 1) more evenly than random ones lower the variance of an estimate::

            sobol = torch.quasirandom.SobolEngine(q.batch_shape.numel(), scramble=True, seed=0)
            z = q.rsample_from(sobol.draw(256).reshape(256, *q.batch_shape))
            (p.log_prob(z) - q.log_prob(z)).mean(0).sum().backward()

        For ``Independent(q, n)`` call ``rsample_from`` of q, with u of shape ``sample_shape + q.batch_shape``: its samples are
        those of the vector.

        Args:
            uniform: probabilities u in (0, 1), of shape ``sample_shape + batch_shape``. 0 and 1, which uniform generators may
                return, are moved to eps/4 and 1 − eps/2 of the dtype.

        Returns:
            Samples of the same shape, inside the support, as those of ``rsample``. The gradient of one that overflows is 0.

        Raises:
            NotImplementedError: the distribution has no ``icdf``.
            TypeError: u holds whole numbers.
            ValueError: the shape does not end with ``batch_shape``; or, with ``validate_args``, a value is outside [0, 1].

        Source: L'Ecuyer & Lemieux (2002) for randomized quasi-Monte Carlo; Figurnov, Mohamed & Mnih (2018) for the gradient.
        """
        name, shape = type(self).__name__, self.batch_shape
        if self.event_shape:
            raise NotImplementedError(
                f"{name} has events of shape {tuple(self.event_shape)} and so no icdf: call rsample_from of univariate parts"
            )
        if uniform.shape[max(uniform.dim() - len(shape), 0) :] != shape:
            raise ValueError(
                f"u has shape {tuple(uniform.shape)}, which must end with the batch shape {tuple(shape)} of {name}"
            )
        if not uniform.is_floating_point():
            raise TypeError(f"u must be floating point, as SobolEngine.draw returns it, not {uniform.dtype}")
        if self._validate_args and not is_traced() and not ((uniform >= 0) & (uniform <= 1)).all():
            raise ValueError("u must be between 0 and 1 in every element")
        eps = torch.finfo(uniform.dtype).eps
        inside = torch.where(uniform <= 0, eps / 4, torch.where(uniform >= 1, 1 - eps / 2, uniform))
        try:
            return self._inside_icdf(inside)
        except NotImplementedError as error:
            raise NotImplementedError(f"{name} has no icdf: rsample_from needs one, rsample does not") from error

    def _inside_icdf(self, probability: Tensor) -> Tensor:
        """Return the quantile, moved to where ``rsample`` has its draws; the gradient of one that overflows is 0."""
        quantile = self.icdf(probability)
        finite = quantile.isfinite()
        if not is_traced() and finite.all():
            return self._saturated(quantile)
        # a quantile that overflows has an infinite derivative, which would make NaN of a gradient of 0
        held = self.icdf(torch.where(finite, probability, 0.5))
        return torch.where(finite, self._saturated(held), self._saturated(quantile.detach()))

    def _saturated(self, value: Tensor) -> Tensor:
        """Move quantiles that round to an end of the support to where ``rsample`` has its draws, infinite ones to finite."""
        largest = torch.finfo(value.dtype).max
        return value.clamp(-largest, largest)

    def sample(self, sample_shape: _size = Size(), generator: Generator | None = None) -> Tensor:
        """Draw the same samples as ``rsample``, without their gradient."""
        with torch.no_grad():
            # a subclass may override rsample with torch's signature, which has no generator
            value = self.rsample(sample_shape) if generator is None else self.rsample(sample_shape, generator)
            return value.detach()  # forward-mode derivatives pass through no_grad

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        if self._torch_expands:  # torch's class knows its own attributes
            return super().expand(batch_shape, _instance)
        return self._expand(batch_shape, _instance)

    def _expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Expand the tensors named in ``arg_constraints`` and the distributions among the attributes; share the rest."""
        batch_shape = Size(batch_shape)
        new = type(self).__new__(type(self)) if _instance is None else _instance
        for name, value in vars(self).items():
            if name in vars(new):  # already set by the subclass that passed _instance
                continue
            if isinstance(value, Distribution):
                value = value.expand(batch_shape)
            elif name in self.arg_constraints:
                event_dim = self.arg_constraints[name].event_dim
                value = value.expand(batch_shape + value.shape[value.dim() - event_dim :])
            setattr(new, name, value)
        new._batch_shape = batch_shape
        return new

    def _validated(self, value: Tensor) -> Tensor:
        """Return ``value``; with ``validate_args``, raise ValueError unless its shape fits and it is in the support."""
        if self._validate_args:
            self._validate_sample(value)
        return value


class ReparameterizableByLogarithm(Reparameterizable):
    """Base class of distributions on the positive numbers whose quantiles are known by their logarithm.

    A subclass implements ``_log_icdf``. Quantiles beyond the range of the dtype, even the median at the smallest shapes, are
    saturated in the logarithm, as ``exp_clamped`` does with draws, so that their gradient is 0.
    """

    @abc.abstractmethod
    def _log_icdf(self, value: Tensor) -> Tensor:
        """Return the logarithm of the quantile, differentiable in the probability and every parameter."""

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``; differentiable in it and every parameter."""
        return self._log_icdf(value).exp()

    def _inside_icdf(self, probability: Tensor) -> Tensor:
        if type(self).icdf is not ReparameterizableByLogarithm.icdf:  # overridden
            return super()._inside_icdf(probability)
        return exp_clamped(self._log_icdf(probability))

    def _saturated(self, value: Tensor) -> Tensor:
        return positive(value)


class ReparameterizableByCDF(Reparameterizable):
    """Base class of univariate distributions whose gradient comes from ``cdf`` and ``log_prob`` by the implicit rule.

    A subclass implements ``_draw`` by any sampler, ``cdf`` and ``log_prob``, and ``survival_function`` if the upper tail is to
    keep its digits. A gradient of the drawn samples is discarded and replaced by dz/dφ = −(∂F/∂φ)/q(z). Second
    derivatives need nested transformations of torch.func, such as jacrev(jacrev(f)); otherwise they raise NotImplementedError.
    ``icdf`` is found numerically unless the subclass has a formula.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    _own_rsample: ClassVar[bool]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # ``sample`` follows an overridden ``rsample``, as in torch
        cls._own_rsample = cls.rsample is not ReparameterizableByCDF.rsample

    def rsample(self, sample_shape: _size = Size(), generator: Generator | None = None) -> Tensor:
        """Draw samples that carry their implicit gradient; the arguments are those of ``Reparameterizable.rsample``."""
        return self._reparameterized(self._detached_draw(sample_shape, generator))

    def sample(self, sample_shape: _size = Size(), generator: Generator | None = None) -> Tensor:
        """Draw samples without a gradient; neither ``cdf`` nor ``log_prob`` is evaluated."""
        if self._own_rsample:
            return super().sample(sample_shape, generator)
        return self._detached_draw(sample_shape, generator)

    def _detached_draw(self, sample_shape: _size, generator: Generator | None) -> Tensor:
        with torch.no_grad():
            return self._draw(self._extended_shape(sample_shape), generator).detach()

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by bisection and Newton's method; differentiable in it and every parameter."""
        return numerical_icdf(self, value)

    def _reparameterized(self, value: Tensor) -> Tensor:
        """Attach the gradient to drawn samples."""
        return reparameterize_by_cdf(value, self)


def reparameterize_by_cdf(value: Tensor, distribution: Distribution) -> Tensor:
    """Attach dz/dφ = −(∂F/∂φ)/q(z) to samples of a univariate distribution.

    Above the median −``survival_function`` replaces ``cdf`` if ``distribution`` has it: the two differ by a constant, and the
    survival function keeps the digits of the upper tail. The gradient is 0 where the density has rounded to 0 or is infinite.
    """

    def standardization(z: Tensor) -> Tensor:
        cdf = distribution.cdf(z)
        if not hasattr(distribution, "survival_function"):
            return cdf
        return torch.where(cdf.detach() > 0.5, -distribution.survival_function(z), cdf)

    with torch.no_grad():
        density = distribution.log_prob(value).exp()
    return reparameterize_where_steep(value, standardization, density, between(*support_ends(distribution, value)))


def exp_clamped(log_value: Tensor) -> Tensor:
    """Return exp(log_value), clamped to the smallest and largest normal number of the dtype; the gradient is 0 there."""
    limits = torch.finfo(log_value.dtype)
    # Clamp before exp, whose gradient at infinity is NaN. The bound is rounded up so that exp still reaches the largest number.
    largest = math.nextafter(math.log(limits.max), math.inf)
    return positive(log_value.clamp(max=largest).exp())


def positive(sample: Tensor) -> Tensor:
    """Clamp samples to the smallest and largest normal number of the dtype; the gradient is 0 there."""
    limits = torch.finfo(sample.dtype)
    return sample.clamp(limits.tiny, limits.max)


def inside_unit_interval(sample: Tensor) -> Tensor:
    """Move samples that round to 0 or 1 to the nearest float inside (0, 1); the gradient passes unchanged."""
    limits = torch.finfo(sample.dtype)
    inside = sample.detach().clamp(limits.tiny, 1 - limits.eps / 2)
    return sample + (inside - sample.detach())
