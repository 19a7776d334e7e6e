"""A distribution whose parameters receive no gradient."""

from typing import Any, TypeVar

from torch import Tensor
from torch.distributions import Distribution, Transform
from torch.nn import Module

_D = TypeVar("_D", bound=Distribution)


def detached(q: _D) -> _D:
    """The same distribution with its parameters held constant.

    ``detached(q).log_prob(z)`` of z = ``q.rsample()`` has the gradient through the sample alone. The rest of the gradient of
    ``q.log_prob(z)``, the score at fixed z, has mean zero; without it, the gradient of an evidence lower bound

        log p(x, z) − log q(z),    z ~ q,

    is unbiased still, and where q is the exact posterior it is zero for every sample: "sticking the landing".

    Args:
        q: any distribution of torch or of this package, also a composed one, such as ``Independent`` or a mixture.

    Returns:
        A distribution of the same class with the same values. q itself is not changed.

    Raises:
        TypeError: the distribution, or a transform of it, has a ``torch.nn.Module``, whose parameters cannot be replaced.

    Source: Roeder, Wu & Duvenaud (2017).
    """
    return _detached(q)


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, Transform):
        return _detached_transform(value)
    if isinstance(value, dict):
        return {name: _detached(it) for name, it in value.items()}
    if isinstance(value, list | tuple):
        parts = [_detached(it) for it in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, Module):
        raise TypeError(
            f"a distribution with a module, {type(value).__name__}, cannot be detached: make it of detached outputs"
        )
    if not isinstance(value, Distribution):
        return value
    new = type(value).__new__(type(value))
    for name, it in vars(value).items():
        setattr(new, name, _detached(it))
    return new


def _detached_transform(transform: Transform, inverse: Transform | None = None) -> Transform:
    """The transform with constant parameters; it and its inverse, where that exists, refer to each other."""
    new = type(transform).__new__(type(transform))
    for name, it in vars(transform).items():
        if name == "_cached_x_y":
            it = (None, None)  # samples with a gradient
        elif name == "_inv":
            it = _detached_transform(it, new) if inverse is None and isinstance(it, Transform) else inverse
        else:
            it = _detached(it)
        setattr(new, name, it)
    return new
