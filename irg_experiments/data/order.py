"""What follows from a run's seed and a count alone: seeds of its random streams, and the order of the training set."""

import torch
from torch import Tensor


def stream_seed(seed: int, count: int) -> int:
    """The seed of a random stream: another one for each count, and for each run of another seed."""
    return seed * 1_000_003 + count


def epoch_order(size: int, seed: int, epoch: int) -> Tensor:
    """A permutation of ``size`` items, which depends on seed and epoch alone."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(stream_seed(seed, epoch)))
