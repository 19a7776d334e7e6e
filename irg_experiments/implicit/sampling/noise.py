"""Normal and uniform noise without parameters."""

import torch
from torch import Generator, Tensor


def standard_normal(shape: tuple[int, ...], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw independent Normal(0, 1) variables of the given shape, with the dtype and device of ``like``."""
    if generator is None:  # torch.compile supports dynamic shapes only without the argument
        return torch.randn(shape, dtype=like.dtype, device=like.device)
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)


def standard_uniform(shape: tuple[int, ...], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw independent Uniform[0, 1) variables of the given shape, with the dtype and device of ``like``."""
    if generator is None:
        return torch.rand(shape, dtype=like.dtype, device=like.device)
    return torch.rand(shape, dtype=like.dtype, device=like.device, generator=generator)
