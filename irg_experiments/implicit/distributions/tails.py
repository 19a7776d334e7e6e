"""The support and the tail probabilities of any univariate distribution."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily, TransformedDistribution, constraints

from irg_experiments.implicit.special.normal import log_ndtr


def check_univariate(base: Distribution) -> None:
    """Raise TypeError or ValueError with a remedy unless ``base`` is continuous, of scalars, and has a cdf."""
    name = type(base).__name__
    if _is_discrete(base):
        raise TypeError(
            f"{name} is discrete, so its samples have no derivative: use a continuous relaxation or the score function"
        )
    if base.event_shape:
        raise ValueError(
            f"{name} has events of shape {tuple(base.event_shape)}, but must have scalar events: wrap its univariate parts"
        )
    if not _has_cdf(base):
        raise TypeError(f"{name} has no cdf: use its class in irg_experiments.implicit, if any, or add cdf in a subclass")


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


def probe(distribution: Distribution) -> Tensor:
    """Return a tensor with the batch shape, dtype and device of a distribution: its cdf at a point of the support.

    Raises:
        TypeError: it has no cdf.
    """
    like = next((tensor for tensor in _tensors(distribution) if tensor.is_floating_point()), torch.zeros(()))
    point = between(*support_ends(distribution, like))
    try:
        with torch.no_grad():
            return distribution.cdf(point).expand(distribution.batch_shape)
    except NotImplementedError as error:
        raise TypeError(f"{type(distribution).__name__} has no cdf: add one in a subclass") from error


def _tensors(distribution: Distribution) -> Iterator[Tensor]:
    """Iterate over the tensors among the attributes of a distribution and of all it wraps."""
    for part in vars(distribution).values():
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, Distribution):
            yield from _tensors(part)


def support_ends(distribution: Distribution, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends of the support without gradient; numbers, and ±∞ for no end, have the dtype and device of ``like``."""
    support = distribution.support
    while isinstance(support, constraints.MixtureSameFamilyConstraint):
        support = support.base_constraint
    ends = getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf)
    low, high = (end.detach() if isinstance(end, Tensor) else like.new_full((), end) for end in ends)
    return low, high


def between(low: Tensor, high: Tensor) -> Tensor:
    """Return a point strictly between two ends, either of which may be infinite."""
    start = torch.where(low.isfinite(), low, torch.where(high.isfinite(), high - 2, -1.0))
    return 0.5 * start + 0.5 * torch.where(high.isfinite(), high, start + 2)


def survival_function(distribution: Distribution, value: Tensor) -> Tensor:
    """Return P(Z > value), by the ``survival_function`` of the distribution if it has one, else as 1 − cdf."""
    own = getattr(distribution, "survival_function", None)
    return own(value) if own is not None else 1 - distribution.cdf(value)


def log_tail(distribution: Distribution, upper: Tensor, value: Tensor) -> Tensor:
    """Return the logarithm of the survival function where ``upper``, else that of the distribution function."""
    cdf, survival = log_tails(distribution, value)
    return torch.where(upper, survival, cdf)


def log_tails(distribution: Distribution, value: Tensor) -> tuple[Tensor, Tensor]:
    """Return ln F and ln(1 − F), with their limits at and beyond the ends of the support, where the gradient is 0."""
    low, high = support_ends(distribution, value)
    below, above = value <= low, value >= high
    cdf, survival = _inner_log_tails(distribution, torch.where(below | above, between(low, high), value))
    cdf = torch.where(below, -math.inf, torch.where(above, 0.0, cdf))
    return cdf, torch.where(above, -math.inf, torch.where(below, 0.0, survival))


def _inner_log_tails(distribution: Distribution, value: Tensor) -> tuple[Tensor, Tensor]:
    """The same for values inside the support."""
    if isinstance(distribution, torch.distributions.Normal):
        x = (value - distribution.loc) / distribution.scale
        return log_ndtr(x), log_ndtr(-x)
    if hasattr(distribution, "log_cdf") and hasattr(distribution, "log_survival_function"):
        return distribution.log_cdf(value), distribution.log_survival_function(value)
    cdf = distribution.cdf(value)
    survival = distribution.survival_function(value) if hasattr(distribution, "survival_function") else 1 - cdf
    return _log(cdf, survival), _log(survival, cdf)


def _log(probability: Tensor, complement: Tensor) -> Tensor:
    """Return the log of a probability, computed from the smaller of it and its complement; the gradient is 0 at 0."""
    small, positive = probability < 0.5, probability > 0
    near = torch.where(small & positive, probability, 1.0).log()
    far = torch.log1p(-torch.where(small, 0.0, complement))
    return torch.where(small, torch.where(positive, near, -math.inf), far)
