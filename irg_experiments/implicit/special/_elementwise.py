"""Turn a formula into a torch function, with type promotion, broadcasting, derivatives, vmap and forward mode."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit._autograd import apply, eager, is_differentiated
from irg_experiments.implicit._kernel_cache import Formula
from irg_experiments.implicit.compilation import evaluate


def elementwise(function: Formula, partials: Sequence[Formula], *arguments: Tensor | float) -> Tensor:
    """Evaluate ``function(*arguments)``, differentiable in each argument.

    Args:
        function: computes values elementwise from tensors of one shape and one dtype, float32 or float64. It may stack several
            values along a new first dimension if none of its partial derivatives is defined.
        partials: the partial derivative by each argument, as a function of all arguments. Second derivatives differentiate it,
            so it consists of differentiable operations, or raises.
        arguments: tensors that broadcast, at least one, and numbers. The tensors are promoted to one dtype; float16 and
            bfloat16 are computed in float32.

    Returns:
        The values, of the broadcast shape and the promoted dtype.

    Raises:
        TypeError: no argument is a tensor.
    """
    tensors = as_tensors(*arguments)
    dtype = tensors[0].dtype
    if dtype in (torch.float16, torch.bfloat16):
        return elementwise(function, partials, *(argument.float() for argument in tensors)).to(dtype)
    broadcast = torch.broadcast_tensors(*tensors)
    if not is_differentiated():
        return evaluate(function, broadcast)
    return apply(_Elementwise, _ForwardModeElementwise, _EagerElementwise, function, tuple(partials), *broadcast)


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


class _Elementwise(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(function: Formula, partials: tuple[Formula, ...], *arguments: Tensor) -> Tensor:
        return evaluate(function, arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.partials, *arguments = inputs
        ctx.save_for_backward(*arguments)
        ctx.save_for_forward(*arguments)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad,), arguments = grad_outputs, ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        gradients = (grad * evaluate(p, arguments) if need else None for p, need in zip(ctx.partials, needed, strict=True))
        return None, None, *gradients


class _ForwardModeElementwise(_Elementwise):
    """Adds forward-mode differentiation, which ``torch.compile`` cannot trace in a custom function."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        arguments = ctx.saved_tensors
        terms = [t * p(*arguments) for p, t in zip(ctx.partials, tangents[2:], strict=True) if t is not None]
        return torch.stack(torch.broadcast_tensors(*terms)).sum(0)


_EagerElementwise = eager(_ForwardModeElementwise)


def not_implemented(what: str) -> Formula:
    """A partial derivative that is not available: raises NotImplementedError when it is evaluated."""

    def partial(*arguments: Tensor) -> Tensor:
        raise NotImplementedError(f"{what} cannot be differentiated")

    return partial
