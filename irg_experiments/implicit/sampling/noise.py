"""Noise free of parameters."""

import torch
from torch import Generator, Tensor


def standard_normal(shape: tuple[int, ...], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Independent draws of Normal(0, 1), of the given shape and the dtype and device of ``like``."""
    if generator is None:  # this overload alone can be compiled with dynamic shapes
        return torch.randn(shape, dtype=like.dtype, device=like.device)
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)


def standard_uniform(shape: tuple[int, ...], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Independent draws of Uniform[0, 1), of the given shape and the dtype and device of ``like``."""
    if generator is None:
        return torch.rand(shape, dtype=like.dtype, device=like.device)
    return torch.rand(shape, dtype=like.dtype, device=like.device, generator=generator)
