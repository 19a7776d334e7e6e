"""Which variant of a custom ``torch.autograd.Function`` to call: for torch.compile, for torch.func, or for plain autograd."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from irg_experiments.implicit.private_torch import (
    FakeTensor,
    forward_ad_level,
    functorch_grad,
    functorch_interpreters,
    functorch_is_active,
    functorch_jvp,
    functorch_vmap,
    jit_is_tracing,
    set_forward_mode,
)


def is_transformed() -> bool:
    """Whether a transformation of torch.func is active, outside torch.compile."""
    return not torch.compiler.is_compiling() and functorch_is_active()


def is_batched() -> bool:
    """Whether torch.func.vmap is among the active transformations."""
    return is_transformed() and any(level.key() == functorch_vmap for level in functorch_interpreters())


def derivative_order() -> int:
    """How many times transformations of torch.func are about to differentiate; 0 outside them, and in torch.compile."""
    if not is_transformed():
        return 0
    levels = [level.key() for level in functorch_interpreters()]
    outer = forward_ad_level() >= 0 and functorch_jvp not in levels  # torch.autograd.forward_ad around torch.func
    return levels.count(functorch_grad) + levels.count(functorch_jvp) + outer


def is_traced() -> bool:
    """Whether torch.compile, torch.jit.trace or a transformation of torch.func is active."""
    return torch.compiler.is_compiling() or jit_is_tracing() or is_transformed()


def is_differentiated() -> bool:
    """Whether a derivative of the operations may be requested: by autograd, forward mode, torch.func or torch.compile."""
    return torch.is_grad_enabled() or forward_ad_level() >= 0 or is_traced()


def is_abstract(tensor: Tensor) -> bool:
    """Whether a tensor has a shape but no values: on the meta device, or under ``FakeTensorMode``."""
    return tensor.is_meta or (type(tensor) is not Tensor and isinstance(tensor, FakeTensor))


_JVP = Callable[..., Tensor]


def forward_mode(jvp: _JVP) -> _JVP:
    """Decorator of ``jvp(saved, ctx, *tangents)``: the ``jvp`` of a custom function, for nested forward mode.

    torch turns forward mode off in a ``jvp``, also for outer levels of torch.func, so that jacfwd(jacfwd(f)) would be zero
    without an error. Here it stays on, and the saved tensors lose the tangents of the own level only.
    """

    @functools.wraps(jvp)
    def wrapped(ctx: Any, *tangents: Any) -> Tensor:
        if not is_transformed():
            return jvp(ctx.saved_tensors, ctx, *tangents)
        with set_forward_mode(True):
            return jvp([forward_ad.unpack_dual(value).primal for value in ctx.saved_tensors], ctx, *tangents)

    return wrapped


def eager(function: type[Function]) -> type[Function]:
    """The same function without ``setup_context``, which torch.func requires and which costs 30 µs per call."""

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
    """Apply ``compiled`` while torch.compile traces, ``transformed`` under torch.func, and ``plain`` otherwise."""
    if torch.compiler.is_compiling():
        return compiled.apply(*inputs)
    return (transformed if is_transformed() else plain).apply(*inputs)
