"""Any univariate distribution restricted to an interval."""

import math
from typing import NamedTuple

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable, survival_function
from irg_experiments.implicit.distributions.reparameterized import check_univariate
from irg_experiments.implicit.rule import reparameterize
from irg_experiments.implicit.sampling import standard_uniform
from irg_experiments.implicit.special.normal import log_ndtr, ndtri_exp

# that halve any bracket down to neighbouring floats
_BISECTIONS = {torch.float32: 34, torch.float64: 66}
# of the quadrature, on each side, 1/16 apart: its outermost probability is 2e-34 and 1e-275
_NODES = {torch.float32: 62, torch.float64: 96}


class _Ends(NamedTuple):
    """Logarithms of the tail probabilities T at the two ends, T being the survival function where ``upper`` holds, else F."""

    upper: Tensor
    small: Tensor
    big: Tensor


class Truncated(Reparameterizable):
    """``base`` restricted to [low, high]: density q(z) / (F(high) − F(low)) there, and 0 elsewhere.

    Args:
        base: a continuous distribution of scalars with ``cdf`` and ``log_prob``. It receives the gradient if its cdf is
            differentiable in its parameters.
        low: lower end, a number or tensor; −inf for none. A tensor receives a gradient.
        high: upper end > low, likewise; inf for none. Ends beyond the support of ``base`` count as its ends.
        validate_args: whether arguments and values are checked, here instead of by ``base``.

    Raises:
        TypeError: ``base`` is discrete or has no distribution function.
        ValueError: ``base`` has vector events; or, with ``validate_args``, low ≥ high, or no mass between them in the dtype.

    A draw inverts T(z) = T(low) + u (T(high) − T(low)) in log space, T = F, or the survival function if low is above the
    median: for a normal base in closed form, else by bisection down to neighbouring floats, 66 cdfs in float64 and 34 in
    float32, and no farther out than the square root of the largest float. Holding u fixed and differentiating the equation
    gives the gradient; ``icdf`` is the same function of a given probability, differentiable in it too.

    A normal base may be cut hundreds of standard deviations out, and so may a base with ``log_cdf`` and
    ``log_survival_function``; one with ``survival_function`` alone as far as that does not underflow, and one with neither
    has no upper tail beyond 1 − F = eps. The gradient has a relative error of about eps |ln T(z)|, or, where larger, an
    absolute one of a few eps times the derivative of a quantile of ``base``. Moments and entropy are integrals over u by
    double-exponential quadrature; for normal bases their error is a few roundings of z, 1e-13 of the variance in float64 and
    3e-5 in float32, times the distance of the nearer end from the mean in standard deviations where that exceeds 1. A moment
    that ``base`` lacks is given between finite ends only. A ``base`` on the circle must be cut to less than a turn. Second
    derivatives through samples, quantiles, moments and entropy raise NotImplementedError.

    Source: Figurnov, Mohamed & Mnih (2018) for the gradient; Takahasi & Mori (1974) for the quadrature.
    """

    arg_constraints = {"low": constraints.dependent, "high": constraints.dependent}

    def __init__(
        self,
        base: Distribution,
        low: Tensor | float = -math.inf,
        high: Tensor | float = math.inf,
        validate_args: bool | None = None,
    ):
        check_univariate(base)
        like = _probe(base)
        ends = (torch.as_tensor(x, dtype=like.dtype, device=like.device) for x in (low, high))
        self.low, self.high, like = torch.broadcast_tensors(*ends, like)
        self.base = base.expand(like.shape)
        _accept_all(self.base)
        super().__init__(like.shape, validate_args=validate_args)
        if self._validate_args:
            self._check_interval()

    def _check_interval(self) -> None:
        if not (self.low < self.high).all():
            raise ValueError("low must be below high in every element")
        with torch.no_grad():
            if not (_log_mass(self._ends()) > -math.inf).all():
                raise ValueError(
                    f"{type(self.base).__name__} has no mass between low and high in {self.low.dtype}: widen the interval, or "
                    "use float64, or a base with log_cdf and log_survival_function"
                )

    def expand(self, batch_shape: _size, _instance: None = None) -> "Truncated":
        """The same distribution with the batch expanded to ``batch_shape``."""
        shape = torch.Size(batch_shape)
        new = Truncated(self.base.expand(shape), self.low.expand(shape), self.high.expand(shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        """The interval, where ``base`` has support."""
        return constraints.interval(*self._interval())

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        uniform = standard_uniform(self._extended_shape(sample_shape), self.low, generator)
        uniform = uniform.clamp(min=torch.finfo(uniform.dtype).eps / 4)
        return self._quantile(self._ends(), uniform, 1 - uniform)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, with its gradient for values between 0 and 1."""
        ends = self._ends()
        return self._quantile(ends, torch.where(ends.upper, 1 - value, value), torch.where(ends.upper, value, 1 - value))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, −inf outside the interval."""
        if self._validate_args:
            self._validate_sample(value)
        low, high = self._interval()
        outside = (value < low) | (value > high)
        log_density = self.base.log_prob(torch.where(outside, _between(low, high), value))
        return torch.where(outside, -math.inf, log_density - _log_mass(self._ends()))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), with its relative accuracy towards both ends."""
        low, high = self._interval()
        from_small, from_big, upper = self._fractions(value)
        inside = torch.where(upper, from_big, from_small)
        return torch.where(value <= low, 0.0, torch.where(value >= high, 1.0, inside))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value), with its relative accuracy towards both ends."""
        low, high = self._interval()
        from_small, from_big, upper = self._fractions(value)
        inside = torch.where(upper, from_small, from_big)
        return torch.where(value <= low, 1.0, torch.where(value >= high, 0.0, inside))

    @property
    def mean(self) -> Tensor:
        """The mean, by quadrature."""
        z, weight = self._quadrature()
        return self._where_it_exists((weight * z).sum(0), self.base.mean)

    @property
    def variance(self) -> Tensor:
        """The variance, by quadrature of the squared distance from the mean."""
        z, weight = self._quadrature()
        distance = z - (weight * z).sum(0)
        return self._where_it_exists((weight * distance.square()).sum(0), self.base.variance)

    @property
    def mode(self) -> Tensor:
        """The mode of ``base``, moved to the nearer end if it is outside: right for a unimodal ``base``."""
        return torch.maximum(torch.minimum(self.base.mode, self.high), self.low)

    def entropy(self) -> Tensor:
        """The entropy in nats, by quadrature."""
        z, weight = self._quadrature()
        return _log_mass(self._ends()) - (weight * self.base.log_prob(z)).sum(0)

    def _where_it_exists(self, value: Tensor, of_base: Tensor) -> Tensor:
        low, high = self._interval()
        return torch.where((low.isfinite() & high.isfinite()) | of_base.isfinite(), value, of_base)

    def _quadrature(self) -> tuple[Tensor, Tensor]:
        """Quantiles z(u), u = sigmoid(π sinh t) for t evenly spaced, along a new first dimension, and the weights du."""
        low, step = self.low, 0.0625
        t = step * torch.arange(-_NODES[low.dtype], _NODES[low.dtype] + 1, dtype=low.dtype, device=low.device)
        t = t.reshape(-1, *(1,) * low.dim())
        u, v = (math.pi * t.sinh()).sigmoid(), (-math.pi * t.sinh()).sigmoid()
        return self._quantile(self._ends(), u, v), step * math.pi * t.cosh() * u * v

    def _interval(self) -> tuple[Tensor, Tensor]:
        """The ends, brought into the support of ``base``; constants."""
        low, high = _support(self.base, self.low)
        return torch.maximum(self.low.detach(), low), torch.minimum(self.high.detach(), high)

    def _ends(self) -> _Ends:
        (cdf_low, survival_low), (cdf_high, survival_high) = self._log_tails(self.low), self._log_tails(self.high)
        upper = cdf_low.detach() > -math.log(2)
        return _Ends(upper, torch.where(upper, survival_high, cdf_low), torch.where(upper, survival_low, cdf_high))

    def _log_tails(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """ln F and ln(1 − F), with their limits at and beyond the ends of the support."""
        low, high = _support(self.base, self.low)
        below, above = value <= low, value >= high
        cdf, survival = _log_tails(self.base, torch.where(below | above, _between(low, high), value))
        cdf = torch.where(below, -math.inf, torch.where(above, 0.0, cdf))
        return cdf, torch.where(above, -math.inf, torch.where(below, 0.0, survival))

    def _log_tail(self, ends: _Ends, value: Tensor) -> Tensor:
        cdf, survival = self._log_tails(value)
        return torch.where(ends.upper, survival, cdf)

    def _fractions(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(T(value) − small)/(big − small), what it lacks to 1, and whether T is the survival function."""
        if self._validate_args:
            self._validate_sample(value)
        low, high = self._interval()
        ends = self._ends()
        tail = self._log_tail(ends, torch.where((value <= low) | (value >= high), _between(low, high), value))
        tail = tail.clamp(min=torch.finfo(tail.dtype).min)
        mass = torch.expm1(ends.small - ends.big)
        from_small = (tail - ends.big).exp() * torch.expm1(ends.small - tail) / mass
        return from_small, torch.expm1(tail - ends.big) / mass, ends.upper

    def _quantile(self, ends: _Ends, u: Tensor, v: Tensor) -> Tensor:
        """The z of T(z) = v · small + u · big, u + v = 1, with its derivatives in u, the ends and ``base``."""
        gap = ends.small - ends.big
        lack = -v * torch.expm1(gap)
        near = lack < 0.5
        mixed = torch.where(near, 1.0, u + v * gap.exp())
        log_tail = ends.big + torch.where(near, torch.log1p(-torch.where(near, lack, 0.0)), mixed.log())
        with torch.no_grad():
            value = self._invert(ends.upper, log_tail)
            hazard = (self.base.log_prob(value) - self._log_tail(ends, value)).exp()
        slope = torch.where(ends.upper, -hazard, hazard)
        # both sides in logarithms, whose derivatives stay accurate where the probabilities are tiny
        return reparameterize(value, lambda z: self._log_tail(ends, z) - log_tail, jacobian=slope)

    def _invert(self, upper: Tensor, log_tail: Tensor) -> Tensor:
        low, high = self._interval()
        if isinstance(self.base, torch.distributions.Normal):
            x = ndtri_exp(log_tail)
            value = self.base.loc + self.base.scale * torch.where(upper, -x, x)
            return torch.maximum(torch.minimum(value, high), low)
        limit = math.sqrt(torch.finfo(low.dtype).max)
        left, right = (end.clamp(-limit, limit).expand(log_tail.shape) for end in (low, high))
        for _ in range(_BISECTIONS[low.dtype]):
            middle = _middle(left, right)
            cdf, survival = self._log_tails(middle)
            beyond = torch.where(upper, survival > log_tail, cdf < log_tail)
            left, right = torch.where(beyond, middle, left), torch.where(beyond, right, middle)
        return _middle(left, right)


def _probe(base: Distribution) -> Tensor:
    """A tensor of the shape, dtype and device of the batch of ``base``: its cdf at a point of the support."""
    # the narrowest type: the result has that of the parameters
    point = _between(*_support(base, torch.zeros((), dtype=torch.bfloat16)))
    try:
        with torch.no_grad():
            return base.cdf(point).expand(base.batch_shape)
    except NotImplementedError as error:
        raise TypeError(f"{type(base).__name__} has no cdf: subclass it with one, or take the class of this package") from error


def _accept_all(base: Distribution) -> None:
    """Turns validation off, also of what ``base`` wraps: far out the search would meet values that round out of a support."""
    base._validate_args = False
    for part in vars(base).values():
        if isinstance(part, Distribution):
            _accept_all(part)


def _support(base: Distribution, like: Tensor) -> tuple[Tensor, Tensor]:
    """The ends of the support, infinite where it has none."""
    support = base.support
    while isinstance(support, constraints.MixtureSameFamilyConstraint):
        support = support.base_constraint
    ends = getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf)
    low, high = (end.detach() if isinstance(end, Tensor) else torch.full_like(like, end) for end in ends)
    return low, high


def _between(low: Tensor, high: Tensor) -> Tensor:
    """A point strictly between two ends, of which any may be infinite."""
    start = torch.where(low.isfinite(), low, torch.where(high.isfinite(), high - 2, -1.0))
    return 0.5 * start + 0.5 * torch.where(high.isfinite(), high, start + 2)


def _log_mass(ends: _Ends) -> Tensor:
    return ends.big + (-torch.expm1(ends.small - ends.big)).log()


def _log_tails(base: Distribution, value: Tensor) -> tuple[Tensor, Tensor]:
    """ln F and ln(1 − F) inside the support."""
    if isinstance(base, torch.distributions.Normal):
        x = (value - base.loc) / base.scale
        return log_ndtr(x), log_ndtr(-x)
    if hasattr(base, "log_cdf") and hasattr(base, "log_survival_function"):
        return base.log_cdf(value), base.log_survival_function(value)
    cdf, survival = base.cdf(value), survival_function(base, value)
    return _log(cdf, survival), _log(survival, cdf)


def _log(probability: Tensor, complement: Tensor) -> Tensor:
    """The logarithm of a probability, from the smaller of it and its complement; no gradient where it is 0."""
    small, positive = probability < 0.5, probability > 0
    near = torch.where(small & positive, probability, 1.0).log()
    far = torch.log1p(-torch.where(small, 0.0, complement))
    return torch.where(small, torch.where(positive, near, -math.inf), far)


def _middle(left: Tensor, right: Tensor) -> Tensor:
    """Halves the number of floats in between, roughly: 0, else the geometric mean of distant ends, else the arithmetic."""
    tiny = torch.finfo(left.dtype).tiny
    first, second = left.abs().clamp(min=tiny), right.abs().clamp(min=tiny)
    larger = torch.maximum(first, second)
    distant = (larger > 4 * torch.minimum(first, second)) | (larger == tiny)
    geometric = torch.where(right > 0, 1.0, -1.0) * first.sqrt() * second.sqrt()
    middle = torch.where(distant, geometric, 0.5 * left + 0.5 * right)
    return torch.where((left < 0) & (right > 0), 0.0, middle)
