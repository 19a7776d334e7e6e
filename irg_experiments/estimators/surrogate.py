"""A value with a chosen derivative: the building block of surrogate losses."""

from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit.rule import first_order


def attach(value: Tensor, slope: Tensor, parameter: Tensor) -> Tensor:
    """``value``, with the derivative ``slope`` in ``parameter`` and no other gradient.

    Args:
        value: the result; its own gradient is dropped.
        slope: d value / d parameter, held constant.
        parameter: of the same shape as ``value`` and ``slope``.

    Returns:
        A copy of ``value``. Differentiating its gradient once more raises NotImplementedError, since the slope is constant.
    """
    return _Attached.apply(value.detach(), slope.detach(), parameter)


def weight(score: Tensor, parameter: Tensor) -> Tensor:
    """Zero, with the derivative ``score`` in ``parameter``: f · (1 + weight) equals f, with the gradient f · score added."""
    return attach(torch.zeros_like(score), score, parameter)


class _Attached(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, slope: Tensor, parameter: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, slope, parameter = inputs
        ctx.save_for_backward(slope, parameter)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, None, Tensor]:
        slope, parameter = ctx.saved_tensors
        return None, None, first_order(grad_outputs[0] * slope, parameter)
