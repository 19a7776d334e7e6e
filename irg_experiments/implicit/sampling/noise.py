"""Normal and uniform noise without parameters."""

import torch
from torch import Generator, Tensor


def standard_normal(shape: tuple[int, ...], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw independent Normal(0, 1) variables of the given shape, with the dtype and device of ``like``."""
    if generator is None:  # torch.compile supports dynamic shapes only without the argument
        return torch.randn(shape, dtype=_dtype(like), device=like.device)
    return torch.randn(shape, dtype=_dtype(like), device=like.device, generator=generator)


def standard_uniform(shape: tuple[int, ...], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw independent Uniform[0, 1) variables of the given shape, with the dtype and device of ``like``."""
    if generator is None:
        return torch.rand(shape, dtype=_dtype(like), device=like.device)
    return torch.rand(shape, dtype=_dtype(like), device=like.device, generator=generator)


def _dtype(like: Tensor) -> torch.dtype:
    """The dtype of the noise; the default one if ``like`` holds whole numbers."""
    return like.dtype if like.is_floating_point() else torch.get_default_dtype()
