"""Turn a formula into a torch function, with type promotion, broadcasting, derivatives, vmap and forward mode."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from irg_experiments.implicit._autograd import apply, eager, forward_mode, is_differentiated, is_transformed
from irg_experiments.implicit._kernel_cache import Formula, name_of
from irg_experiments.implicit.compilation import EagerOnly, evaluate
from irg_experiments.implicit.private_torch import forward_ad_level, set_forward_mode


def elementwise(function: Formula, partials: Sequence[Formula], *arguments: Tensor | float) -> Tensor:
    """Evaluate ``function(*arguments)``, differentiable in each argument.

    Args:
        function: computes values elementwise from tensors of one shape and one dtype, float32 or float64. It may stack several
            values along a new first dimension, as its partial derivatives then do.
        partials: the partial derivative by each argument, as a function of all arguments. Second derivatives differentiate it,
            so it consists of differentiable operations, such as ``derivative_of``, or raises. Those that one formula computes
            are given by ``components``.
        arguments: tensors that broadcast, at least one, and numbers. The tensors are promoted to one dtype; float16 and
            bfloat16 are computed in float32.

    Returns:
        The values, of the broadcast shape and the promoted dtype.

    Raises:
        TypeError: no argument is a tensor.
    """
    return promoted(functools.partial(_elementwise, function, partials), *arguments)


def _elementwise(function: Formula, partials: Sequence[Formula], *arguments: Tensor) -> Tensor:
    if not is_differentiated():
        return evaluate(function, arguments)
    return apply(_Elementwise, _ForwardModeElementwise, _EagerElementwise, function, kept(partials), *arguments)


def promoted(function: Callable[..., Tensor], *arguments: Tensor | float) -> Tensor:
    """``function`` of the arguments as tensors of one shape and dtype; float16 and bfloat16 are computed in float32."""
    tensors = as_tensors(*arguments)
    dtype = tensors[0].dtype
    if dtype in (torch.float16, torch.bfloat16):
        return function(*_broadcast([argument.float() for argument in tensors])).to(dtype)
    return function(*_broadcast(tensors))


def _broadcast(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    if all(tensor.shape == tensors[0].shape for tensor in tensors[1:]):
        return tensors  # the usual case, for which torch would make views
    return torch.broadcast_tensors(*tensors)


def as_tensors(*arguments: Tensor | float) -> list[Tensor]:
    """The arguments as tensors of one floating dtype: that of the tensors among them, which numbers do not change.

    Raises:
        TypeError: none is a tensor.
    """
    tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
    if not tensors:
        raise TypeError("at least one argument must be a tensor")
    dtype, device = _promoted(tensors), tensors[0].device
    return [
        argument.to(dtype) if isinstance(argument, Tensor) else torch.tensor(argument, dtype=dtype, device=device)
        for argument in arguments
    ]


def _promoted(arguments: Sequence[Tensor]) -> torch.dtype:
    dtype = arguments[0].dtype
    for argument in arguments[1:]:
        dtype = torch.promote_types(dtype, argument.dtype)
    return dtype if dtype.is_floating_point else torch.get_default_dtype()


class Partials:
    """Partial derivatives as one argument of a custom function: torch.func counts each item of a tuple as an argument."""

    def __init__(self, partials: Sequence[Formula]) -> None:
        self.partials = partials

    def __iter__(self) -> Iterator[Formula]:
        return iter(self.partials)

    def __repr__(self) -> str:
        # without an address: torch.jit.trace compares what it recorded in two calls, as text
        return f"Partials({', '.join(map(name_of, self.partials))})"


def kept(partials: Sequence[Formula]) -> tuple[Formula, ...] | Partials:
    """Partial derivatives as torch takes them: torch.compile traces tuples, but not instances as arguments."""
    return tuple(partials) if torch.compiler.is_compiling() else Partials(partials)


class Component:
    """One of the partial derivatives that a formula stacks along a new first dimension."""

    def __init__(self, formula: Formula, index: int) -> None:
        self.formula, self.index = formula, index

    def __call__(self, *arguments: Tensor) -> Tensor:
        """``formula(*arguments)[index]``."""
        return self.formula(*arguments)[self.index]


def components(formula: Formula, count: int) -> tuple[Component, ...]:
    """Partial derivatives that one formula computes together; it is evaluated once for all of them."""
    return tuple(Component(formula, index) for index in range(count))


def _needed_values(
    partials: "tuple[Formula, ...] | Partials", needed: Sequence[bool], value_of: Callable[[Formula], Tensor]
) -> Iterator[Tensor | None]:
    """The values of the partial derivatives that are needed, None for the others."""
    together: dict[Formula, Tensor] = {}
    for partial, need in zip(partials, needed, strict=True):
        if not need:
            yield None
        elif isinstance(partial, Component):
            if partial.formula not in together:
                together[partial.formula] = value_of(partial.formula)
            yield together[partial.formula][partial.index]
        else:
            yield value_of(partial)


class _Elementwise(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(function: Formula, partials: "tuple[Formula, ...] | Partials", *arguments: Tensor) -> Tensor:
        return evaluate(function, arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.partials, *arguments = inputs
        ctx.save_for_backward(*arguments)
        ctx.save_for_forward(*arguments)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad,), arguments = grad_outputs, ctx.saved_tensors
        values = _needed_values(ctx.partials, ctx.needs_input_grad[2:], lambda partial: evaluate(partial, arguments))
        products = (None if value is None else grad * value for value in values)
        if grad.dim() > arguments[0].dim():  # several values per element
            products = (product if product is None else product.sum(0) for product in products)
        return None, None, *products


class _ForwardModeElementwise(_Elementwise):
    """Adds forward-mode differentiation, which ``torch.compile`` cannot trace in a custom function."""

    @staticmethod
    @forward_mode
    def jvp(arguments: Sequence[Tensor], ctx: Any, *tangents: Any) -> Tensor:
        needed = [tangent is not None for tangent in tangents[2:]]
        values = _needed_values(ctx.partials, needed, lambda partial: partial(*arguments))
        terms = [tangent * value for tangent, value in zip(tangents[2:], values, strict=True) if value is not None]
        return functools.reduce(torch.add, terms)


_EagerElementwise = eager(_ForwardModeElementwise)


def derivative_of(formula: Formula, index: int, what: str) -> Formula:
    """The partial derivative of a formula, as a torch function that cannot be differentiated again.

    Args:
        formula: as for ``elementwise``, and made of operations that forward mode differentiates. Where it is NaN, so is the
            derivative.
        index: of the argument.
        what: the name of the derivative in the error message of its own derivative.
    """

    def derivative(*arguments: Tensor) -> Tensor:
        value, slope = with_slope(formula, index, arguments)
        return torch.where(value.isnan(), math.nan, slope)

    return last_derivative(derivative, what)


def last_derivative(derivative: Formula, what: str) -> Formula:
    """A formula as a torch function that cannot be differentiated, evaluated eagerly; ``what`` is its name in the error."""
    rarely = EagerOnly(derivative)
    refusal = not_implemented(what)
    return EagerOnly(lambda *arguments: elementwise(rarely, (refusal,) * len(arguments), *arguments))


def with_slope(formula: Callable[..., Tensor], index: int, arguments: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """A formula and its derivative in one argument, by forward mode: what ``torch.where`` does not select may be infinite."""
    # make_dual takes no expanded tensors
    point = arguments[index].clone(memory_format=torch.contiguous_format)
    if is_transformed() or forward_ad_level() < 0:
        result: tuple[Tensor, ...] = torch.func.jvp(
            lambda x: formula(*arguments[:index], x, *arguments[index + 1 :]), (point,), (torch.ones_like(point),)
        )
        return result[0], result[1]
    # forward mode is in use, and its levels do not nest: use the present one, without the tangents that it has
    with set_forward_mode(True):
        plain = [forward_ad.unpack_dual(argument).primal for argument in arguments]
        point = forward_ad.unpack_dual(point).primal
        plain[index] = forward_ad.make_dual(point, torch.ones_like(point))
        value, slope = forward_ad.unpack_dual(formula(*plain))
        return value, torch.zeros_like(value) if slope is None else slope


def differentiable(formula: Formula, partials: Sequence[Formula]) -> Formula:
    """A partial derivative of ``elementwise`` that has partial derivatives of its own, in place of those of its operations."""

    def partial(*arguments: Tensor) -> Tensor:
        return elementwise(formula, partials, *arguments) if is_differentiated() else formula(*arguments)

    partial.__name__, partial.__qualname__, partial.__module__ = formula.__name__, formula.__qualname__, formula.__module__
    return partial


def not_implemented(what: str) -> Formula:
    """A partial derivative that is not available: raises NotImplementedError when it is evaluated."""

    def partial(*arguments: Tensor) -> Tensor:
        raise NotImplementedError(f"{what} cannot be differentiated")

    return partial
