"""Functions with one implementation per family of distributions."""

from collections.abc import Callable
from functools import singledispatch, update_wrapper
from typing import Any, Generic, TypeVar

import torch.distributions as td

Result = TypeVar("Result")
Implementation = TypeVar("Implementation", bound=Callable[..., Any])


class FamilyDispatch(Generic[Result]):
    """Decorator: ``functools.singledispatch`` on the class of a distribution, with a lookup that ``torch.compile`` can trace.

    singledispatch itself caches lookups, and a trace is guarded by the contents of that cache: the first call with each further
    class would recompile it. Here the lookup reads a dictionary that only ``register`` changes.

    Args:
        default: called for a distribution of no registered family.
    """

    def __init__(self, default: Callable[..., Result]) -> None:
        update_wrapper(self, default)
        self._function = singledispatch(default)
        self._implementations: dict[type, Callable[..., Result]] = dict(self._function.registry)

    def register(self, implementation: Implementation) -> Implementation:
        """Decorator: the implementation for the family that the annotation of its first argument names."""
        self._function.register(implementation)
        self._implementations = dict(self._function.registry)
        return implementation

    def __call__(self, q: td.Distribution, *args: Any) -> Result:
        """Calls the implementation for q's class or its nearest base class."""
        for family in type(q).__mro__:
            if family in self._implementations:
                return self._implementations[family](q, *args)
        raise AssertionError("the default is registered for object")
