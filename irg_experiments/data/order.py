"""The order of a training set in each epoch."""

import torch
from torch import Tensor


def epoch_order(size: int, seed: int, epoch: int) -> Tensor:
    """A permutation of ``size`` items, which depends on seed and epoch alone."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
