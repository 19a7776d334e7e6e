"""How a formula becomes a torch function: promotion, broadcasting, derivatives, vmap, forward mode. Written here, once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit._autograd import apply, eager, is_differentiated
from irg_experiments.implicit.compilation import Formula, evaluate


def elementwise(function: Formula, partials: Sequence[Formula], *arguments: Tensor) -> Tensor:
    """``function(*arguments)``, differentiable in each argument.

    Args:
        function: computes values elementwise from tensors of one shape and one dtype, float32 or float64; it may stack
            several of them along a new first dimension if no argument can be differentiated.
        partials: one for each argument: the partial derivative, as a function of all arguments. What it returns is
            differentiated again for second derivatives, so it is written in differentiable operations, or raises.
        arguments: tensors that broadcast. They are promoted to one dtype, and half precision to float32; the result has the
            promoted dtype.
    """
    dtype = _promoted(arguments)
    if dtype in (torch.float16, torch.bfloat16):
        return elementwise(function, partials, *(argument.float() for argument in arguments)).to(dtype)
    broadcast = torch.broadcast_tensors(*(argument.to(dtype) for argument in arguments))
    if not is_differentiated():
        return evaluate(function, broadcast)
    return apply(_Elementwise, _ForwardModeElementwise, _EagerElementwise, function, tuple(partials), *broadcast)


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
    """The same with forward-mode differentiation, which ``torch.compile`` cannot trace in a custom function."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        arguments = ctx.saved_tensors
        terms = [t * p(*arguments) for p, t in zip(ctx.partials, tangents[2:], strict=True) if t is not None]
        return torch.stack(torch.broadcast_tensors(*terms)).sum(0)


_EagerElementwise = eager(_ForwardModeElementwise)


def not_implemented(what: str) -> Formula:
    """The partial derivative of a function that cannot be differentiated: raises NotImplementedError when asked for."""

    def partial(*arguments: Tensor) -> Tensor:
        raise NotImplementedError(f"{what} cannot be differentiated")

    return partial
