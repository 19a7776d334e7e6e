"""Samplers that distributions share. They draw only; the gradient is attached by ``rule.py``."""

import torch
from torch import Tensor


def standard_gamma(concentration: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Draws z ~ Gamma(concentration, 1), together with log z.

    Shapes below one use Gamma(a) = Gamma(a + 1) · U^(1/a) (Marsaglia & Tsang 2000) in log space,
    log z = log g − e/a with e ~ Exponential(1): at a = 1e-3 typical values are near e^−1000, below every float's range,
    and only log z can tell them apart.

    Args:
        concentration: shape parameter a > 0; one independent draw an element.
        generator: source of randomness; the global one of the device when None.

    Returns:
        z and log z, of the shape and dtype of ``concentration``. z is 0 where it underflows; log z is always finite.
    """
    dtype = concentration.dtype
    shape = concentration.detach()
    if dtype in (torch.float16, torch.bfloat16):
        shape = shape.float()
    small = shape < 1
    draw = torch._standard_gamma(torch.where(small, shape + 1, shape), generator)
    exponential = torch.empty_like(shape).exponential_(generator=generator)
    log_draw = draw.log() - torch.where(small, exponential / shape, 0.0)
    return torch.where(small, log_draw.exp(), draw).to(dtype), log_draw.to(dtype)
