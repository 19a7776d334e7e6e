"""Limits of parameters that training can leave again."""

from typing import Any

import torch
from torch import Tensor


def clip(values: Tensor, least: float, most: float) -> Tensor:
    """The values clipped to an interval; one beyond it keeps the gradient of a loss that leads back.

    ``torch.clamp`` gives such a value no gradient at all, so that it stays where it is. During the warm-up, when the divergence
    has no weight, the precisions of codes grow without bound, and would all stay at their limit for the rest of the training.

    Args:
        values: of any shape.
        least, most: ends of the interval.

    Returns:
        Values within the interval, of the same shape. Their gradient must be that of something to be minimised: beyond ``most``
        it passes where it is positive, beyond ``least`` where it is negative. This depends on the sign of a noisy gradient, so
        that beyond the limits the estimate of an unbiased estimator is biased inwards.
    """
    return _Clip.apply(values, least, most)


class _Clip(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, least: float, most: float) -> Tensor:
        return values.clamp(least, most)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        values, ctx.least, ctx.most = inputs
        ctx.save_for_backward(values)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (values,), (gradient,) = ctx.saved_tensors, grad_outputs
        away = ((values > ctx.most) & (gradient < 0)) | ((values < ctx.least) & (gradient > 0))
        return gradient.masked_fill(away, 0), None, None
