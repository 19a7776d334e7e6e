"""Which form of a custom ``torch.autograd.Function`` serves: under torch.compile, under torch.func, and plainly."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad


def is_transformed() -> bool:
    """Whether a transformation of torch.func, and not torch.compile, follows the operations."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def is_batched() -> bool:
    """Whether torch.func.vmap is among the transformations that follow the operations."""
    vmap = torch._C._functorch.TransformType.Vmap
    return is_transformed() and any(level.key() == vmap for level in torch._C._functorch.get_interpreter_stack())


def is_traced() -> bool:
    """Whether torch.compile or a transformation of torch.func follows the operations."""
    return torch.compiler.is_compiling() or is_transformed()


def is_differentiated() -> bool:
    """Whether anything may ask for derivatives of the operations: autograd, forward mode, torch.func or torch.compile."""
    return torch.is_grad_enabled() or forward_ad._current_level >= 0 or is_traced()


def eager(function: type[Function]) -> type[Function]:
    """The same function without ``setup_context``, which torch.func needs and which costs 30 µs a call."""

    class Eager(Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Tensor:
            output: Tensor = function.forward(*inputs)
            function.setup_context(ctx, inputs, output)
            return output

        backward = staticmethod(function.backward)
        jvp = staticmethod(function.jvp)

    return Eager


def apply(compiled: type[Function], transformed: type[Function], plain: type[Function], *inputs: Any) -> Tensor:
    """Applies ``compiled`` while torch.compile traces, ``transformed`` under torch.func, and else ``plain``."""
    if torch.compiler.is_compiling():
        return compiled.apply(*inputs)
    return (transformed if is_transformed() else plain).apply(*inputs)
