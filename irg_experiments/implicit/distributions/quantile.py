"""Numerical inversion of distribution functions that have no special function for it."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.implicit._autograd import is_abstract, is_traced
from irg_experiments.implicit.distributions.dtypes import result_dtype, widened
from irg_experiments.implicit.distributions.tails import (
    between,
    check_univariate,
    log_tail,
    probe,
    support_ends,
    survival_function,
)
from irg_experiments.implicit.rule import reparameterize_where_steep

_Distribution = TypeVar("_Distribution", bound=Distribution)

# A relative distance, the bisection steps that shrink any bracket to it, and Newton's steps from there to the last digit.
_DISTANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
_BISECTIONS = {torch.float32: 22, torch.float64: 38}
_NEWTON_STEPS = 3


def invert(
    log_tail: Callable[[Tensor], Tensor],
    log_density: Callable[[Tensor], Tensor],
    target: Tensor,
    falling: Tensor,
    left: Tensor,
    right: Tensor,
) -> Tensor:
    """Solve log_tail(z) = target for z between ``left`` and ``right``, elementwise, without a gradient.

    The bracket is bisected so that about as many floats are on either side, which shrinks any to a relative width of 1e-8
    (1e-4 in float32), also in the tails of heavy-tailed distributions; Newton's method for ``log_tail``, kept inside the
    bracket, finds the other digits. Where values may decide, as in eager code, Newton's method shortens the first part too, and
    15 to 30 evaluations suffice for most distributions; otherwise it takes 41, or 25 in float32.

    Args:
        log_tail: the logarithm of the distribution function, or of the survival function where ``falling``.
        log_density: the logarithm of the density.
        target: the logarithm of the probability.
        falling: whether ``log_tail`` is that of the survival function; broadcast with ``target``.
        left: lower end of the bracket, finite.
        right: upper end of the bracket, finite, ≥ ``left``. The three are float32 or float64, and of one shape.

    Returns:
        z, of the shape and dtype of ``left``.
    """
    if is_abstract(left):
        return left
    equation = _Equation(log_tail, log_density, target, falling)
    with torch.no_grad():
        left, right, z = (_bisected if is_traced() else _approached)(equation, left, right)
        for _ in range(_NEWTON_STEPS):
            left, right, lack = equation.narrowed(left, right, z)
            move = equation.newton(z, lack)
            z = torch.where(move.isfinite(), torch.maximum(torch.minimum(z + move, right), left), z)
        return z


class _Equation(NamedTuple):
    """log_tail(z) = target; the fields are the arguments of ``invert``."""

    log_tail: Callable[[Tensor], Tensor]
    log_density: Callable[[Tensor], Tensor]
    target: Tensor
    falling: Tensor

    def narrowed(self, left: Tensor, right: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the part of the bracket that holds the solution, and the difference of the target and ``log_tail(z)``."""
        lack = self.target - self.log_tail(z)
        before = torch.where(self.falling, lack < 0, lack > 0)
        return torch.where(before, z, left), torch.where(before, right, z), lack

    def newton(self, z: Tensor, lack: Tensor) -> Tensor:
        """Return the step of Newton's method."""
        rate = (self.log_density(z) - (self.target - lack)).exp()
        return lack / torch.where(self.falling, -rate, rate)


def _bisected(equation: _Equation, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a bracket of the relative width ``_DISTANCE``, and its middle."""
    for _ in range(_BISECTIONS[left.dtype]):
        left, right, _ = equation.narrowed(left, right, _middle(left, right))
    return left, right, _middle(left, right)


def _approached(equation: _Equation, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same by fewer evaluations: steps of Newton's method while they halve what is lacking, else bisections."""
    eps = torch.finfo(left.dtype).eps
    rounding = 4 * eps * equation.target.abs()
    z, best = _middle(left, right), torch.full_like(left, math.inf)
    for step in range(2 * _BISECTIONS[left.dtype]):
        left, right, lack = equation.narrowed(left, right, z)
        move = equation.newton(z, lack)
        length, moved, lack = move.abs(), z + move, lack.abs()
        # a short step alone says nothing: far from the target the density may have no digit, and an end may be near
        short = (length <= _DISTANCE[left.dtype] * z.abs()) & (lack <= 1e-4)
        found = short | (lack <= rounding) | (right - left <= 4 * eps * z.abs())
        if found.all():
            return left, right, z
        newton = (moved > left) & (moved < right) & (lack <= 0.5 * best)
        if step % 4 == 3:  # in far tails Newton's method halves z, and bisection its logarithm
            newton &= (length <= 0.1 * z.abs()) | (moved.abs() > z.abs())
        moved = torch.where(newton, moved, _middle(left, right))
        z, best = torch.where(found, z, moved), torch.where(newton, lack, math.inf)
    return _bisected(equation, left, right)


def _middle(left: Tensor, right: Tensor) -> Tensor:
    """Bisect, with about as many floats on either side: at 0, the geometric mean of distant ends, or the arithmetic mean."""
    tiny = torch.finfo(left.dtype).tiny
    first, second = left.abs().clamp(min=tiny), right.abs().clamp(min=tiny)
    larger = torch.maximum(first, second)
    distant = (larger > 4 * torch.minimum(first, second)) | (larger == tiny)
    geometric = first.sqrt() * second.sqrt()
    middle = torch.where(distant, torch.where(right > 0, geometric, -geometric), 0.5 * left + 0.5 * right)
    return torch.where((left < 0) & (right > 0), 0.0, middle)


def quantile(distribution: Distribution, upper: Tensor, log_probability: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Solve ln F(z) = log_probability, or ln(1 − F(z)) where ``upper``, for z between ``low`` and ``high``.

    Differentiable in the probability and the parameters of the distribution by the implicit rule; the logarithms keep the
    derivatives accurate for tiny probabilities. The gradient is 0 where the density of z has rounded to 0 or is infinite.

    Args:
        distribution: one that does not validate its arguments (see ``unvalidated``), with ``cdf`` and ``log_prob``.
        upper: which tail the probability is of.
        log_probability: its logarithm. The solution has its shape and dtype, float32 or float64.
        low: lower end of the part of the support to search; −∞ becomes minus a quarter of the largest float.
        high: upper end, likewise.
    """
    limit = 0.25 * torch.finfo(log_probability.dtype).max
    left, right = (
        torch.where(end.abs() == math.inf, end.sign() * limit, end).expand(log_probability.shape)
        for end in (end.to(log_probability) for end in (low, high))
    )

    def tail(z: Tensor) -> Tensor:
        return log_tail(distribution, upper, z)

    with torch.no_grad():
        value = invert(tail, distribution.log_prob, log_probability, upper, left, right)
        log_density, found = distribution.log_prob(value).detach(), tail(value).detach()
    # a tail that has rounded to 0 has no logarithm: there the equation is that of the probabilities themselves
    lost = found == -math.inf
    some_lost = is_traced() or is_abstract(value) or bool(lost.any())

    def equation(z: Tensor) -> Tensor:
        lack = tail(z) - log_probability
        if not some_lost:
            return lack
        probability = torch.where(upper, survival_function(distribution, z), distribution.cdf(z))
        return torch.where(lost, probability - log_probability.exp(), lack)

    slope = torch.where(lost, log_density, log_density - found).exp()
    inner = between(*support_ends(distribution, value))
    return reparameterize_where_steep(value, equation, torch.where(upper, -slope, slope), inner)


def numerical_icdf(distribution: Distribution, value: Tensor) -> Tensor:
    """Return the quantile at probability ``value`` of any univariate distribution by bisection and Newton's method.

    Differentiable in the value, and in every parameter in which the cdf is.

    Raises:
        TypeError: the distribution is discrete or has no cdf.
        ValueError: it has vector events.
    """
    check_univariate(distribution)
    like, base = probe(distribution), unvalidated(distribution)
    low, high = support_ends(base, widened(like))

    def inner(p: Tensor) -> Tensor:
        p = p.expand(torch.broadcast_shapes(p.shape, like.shape)).to(torch.promote_types(p.dtype, low.dtype))
        upper = p > 0.5
        return quantile(base, upper, torch.where(upper, 1 - p, p).log(), low, high)

    return at_ends(widened(value), inner, low, high).to(result_dtype(like, value))


def at_ends(value: Tensor, inside: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Return the quantile ``inside(value)`` at probabilities between 0 and 1, exactly ``low`` at 0, ``high`` at 1, else NaN."""
    within = (value > 0) & (value < 1)
    edge = torch.where(value == 0, low, torch.where(value == 1, high, math.nan))
    return torch.where(within, inside(torch.where(within, value, 0.5)), edge)


def unvalidated(distribution: _Distribution) -> _Distribution:
    """Return a copy that accepts all values, and so do all that it wraps: bisection may try some just outside the support."""
    copy: _Distribution = type(distribution).__new__(type(distribution))
    for name, part in vars(distribution).items():
        setattr(copy, name, unvalidated(part) if isinstance(part, Distribution) else part)
    copy._validate_args = False
    return copy
