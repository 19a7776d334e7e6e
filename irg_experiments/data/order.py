"""Seeds of random streams and the order of training items. Both depend on the run's seed and a count alone."""

import torch
from torch import Tensor


def stream_seed(seed: int, count: int) -> int:
    """The seed of a run's random stream number ``count``, of an epoch or a step, each of which draws other things.

    Runs with different seeds share no stream whose count is below 1,000,003.
    """
    return seed * 1_000_003 + count


class EpochOrder:
    """The training items of each batch, reshuffled every epoch.

    The items form one endless stream, a permutation of the training set per epoch. The batch of step t holds the items t·B to
    t·B + B − 1 of the stream. Each item therefore occurs once per epoch, a batch may span the end of an epoch, and a run can
    resume at any step.

    Args:
        size: number of training items, at least 1.
        batch_size: number B of items per batch; may exceed ``size``.
        seed: the run's seed.
        device: device of the indices.
    """

    def __init__(self, size: int, batch_size: int, seed: int, device: torch.device | str = "cpu") -> None:
        self.size, self.batch_size, self.seed, self.device = size, batch_size, seed, device
        self._window = torch.empty(0, dtype=torch.long)
        self._start = self._stop = 0  # part of the stream that the window holds

    def indices(self, step: int) -> Tensor:
        """Indices of the items in the batch of a step, counted from 0: shape (B,)."""
        window, start = self.locate(step)
        return window[start : start + self.batch_size]

    def locate(self, step: int) -> tuple[Tensor, int]:
        """A window of the stream, and the position in it where the batch of a step starts.

        The window reaches from the first batch that needed it to the end of an epoch. It is the same object for all steps that
        it covers, so that callers can tell by identity when to prepare the items of a new one.
        """
        first = step * self.batch_size
        if not self._start <= first <= first + self.batch_size <= self._stop:
            self._window = self._stream_from(first)
            self._start, self._stop = first, first + len(self._window)
        return self._window, first - self._start

    def _stream_from(self, first: int) -> Tensor:
        """The stream from item ``first`` to the end of the epoch in which a batch that starts there ends."""
        epochs = range(first // self.size, (first + self.batch_size - 1) // self.size + 1)
        stream = torch.cat([self._permutation(epoch) for epoch in epochs])
        return stream[first - epochs[0] * self.size :].to(self.device)

    def _permutation(self, epoch: int) -> Tensor:
        return torch.randperm(self.size, generator=torch.Generator().manual_seed(stream_seed(self.seed, epoch)))
