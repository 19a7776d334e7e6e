"""Loss and gradient as one function, compiled where torch.compile works and eager where it does not."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit.compilation import can_compile

LossAndGrad = Callable[..., tuple[Tensor, tuple[Tensor, ...]]]


def loss_and_grad(
    loss: Callable[..., Tensor],
    parameters: Sequence[Tensor],
    mode: str,
    device: torch.device,
    varying: Callable[..., Iterable[Tensor]] = lambda *_: (),
) -> LossAndGrad:
    """A function of the same arguments as ``loss`` that returns the detached loss and its gradients.

    Forward and backward compile into one graph, which saves the bookkeeping between the two: a fifth of a small model's step.

    Args:
        loss: returns a scalar.
        parameters: what to differentiate with respect to; each must take part in the loss.
        mode: "on", "off", or "auto", which compiles if it can.
        device: where the tensors are.
        varying: of the same arguments as ``loss``: the tensors among them whose first dimension changes from call to call.
    """

    def function(*arguments: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        value = loss(*arguments)
        return value.detach(), torch.autograd.grad(value, parameters)

    compiling = mode == "on" or (mode == "auto" and can_compile(device))
    return _compile(function, varying) if compiling else function


def _compile(function: LossAndGrad, varying: Callable[..., Iterable[Tensor]]) -> LossAndGrad:
    import torch._dynamo  # slow to import, so only when it is used

    torch._dynamo.reset()  # a sweep compiles the same code with ever other models, and torch gives up after eight
    torch._dynamo.config.trace_autograd_ops = True
    # torch's own random number kernels, so that a seed gives the same draws compiled and eager
    compiled = torch.compile(function, fullgraph=True, options={"fallback_random": True})

    def call(*arguments: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        for tensor in varying(*arguments):
            torch._dynamo.mark_dynamic(tensor, 0)
        return compiled(*arguments)

    return call
