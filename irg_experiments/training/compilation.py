"""The loss and its gradient as one function, compiled or eager."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from irg_experiments.errors import UserError
from irg_experiments.implicit.compilation import can_compile

LossAndGrad = Callable[..., tuple[Tensor, tuple[Tensor, ...]]]


def loss_and_grad(
    loss: Callable[..., Tensor],
    parameters: Sequence[Tensor],
    compiled: bool,
    device: torch.device,
    varying: Callable[..., Iterable[Tensor]] = lambda *_: (),
    inputs: Callable[..., Iterable[Tensor]] = lambda *_: (),
    fixed: bool = False,
    static: bool = False,
) -> LossAndGrad:
    """A function of the same arguments as ``loss`` that returns the detached loss and its gradients.

    The forward and the backward pass are compiled into one graph, which makes a step of a small model a fifth faster than
    compiling the loss alone. With the same random state, compiled and eager code draw the same samples; their results agree to
    rounding. Either is deterministic on the CPU: results depend on the arguments, the random state and the number of threads,
    not on earlier calls.

    Args:
        loss: returns a scalar.
        parameters: tensors to differentiate with respect to. Each must take part in the loss.
        compiled: whether to use ``torch.compile``.
        device: device of the tensors.
        varying: takes the arguments of ``loss`` and returns the tensors whose first dimension differs between calls.
        inputs: takes the arguments of ``loss`` and returns those of them whose gradients are returned after those of the
            parameters; they require gradients.
        fixed: whether what ``loss`` uses stays as it is at the first call, but for its arguments and the values of parameters.
            Compiled code then checks the arguments alone, which saves a tenth of a step.
        static: whether shapes never change, so that the code is compiled for these shapes alone. Otherwise torch, once two
            functions of this kind have had different shapes, compiles the next one for any shape, which is slower.

    Raises:
        UserError: ``compiled``, but there is no compiler for the device.
        ImportError: this version of torch lacks a private name that compiling needs.
    """

    def function(*arguments: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        value = loss(*arguments)
        return value.detach(), torch.autograd.grad(value, [*parameters, *inputs(*arguments)])

    if not compiled:
        return function
    # torch finds compiled code by the code object, which all functions of this definition share
    function.__code__ = function.__code__.replace()
    if not can_compile(device):
        raise UserError(f"compile=on needs a compiler for device={device.type}. Install g++ or use compile=off.")
    return _compile(function, varying, fixed, static)


def _of_arguments(guards: Sequence[Any]) -> list[bool]:
    """Which of torch's hundreds of conditions on compiled code are on the arguments, or on torch's own state."""
    return [guard.name == "" or guard.name.startswith("arguments") for guard in guards]


def allow_compilations(number: int) -> None:
    """Lets a process hold that many functions of ``loss_and_grad`` that are compiled; torch's own limit is eight."""
    from irg_experiments.implicit.private_torch import dynamo_config  # takes seconds to import

    dynamo_config.recompile_limit = max(dynamo_config.recompile_limit, number)


def _compile(function: LossAndGrad, varying: Callable[..., Iterable[Tensor]], fixed: bool, static: bool) -> LossAndGrad:
    from irg_experiments.implicit.private_torch import dynamo_config, dynamo_mark_dynamic  # takes seconds to import

    dynamo_config.trace_autograd_ops = True  # otherwise torch.autograd.grad breaks the graph
    # torch counts compilations per line of code and stops at eight, which a sweep over models in one process exceeds
    torch.compiler.reset()
    # "fallback_random": torch's own random number kernels, so that a seed gives the same draws as eager code
    options: dict[str, Any] = {"fallback_random": True, **({"guard_filter_fn": _of_arguments} if fixed else {})}
    compiled = torch.compile(function, fullgraph=True, dynamic=False if static else None, options=options)

    def call(*arguments: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        for tensor in varying(*arguments):
            dynamo_mark_dynamic(tensor, 0)
        return compiled(*arguments)

    return call
