"""Bags of words: a corpus in memory, and the sparse batches that the topic models take."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class BagOfWords(NamedTuple):
    """A batch of B documents over V words, as the n non-zero entries of the B × V count matrix, indexed in both directions.

    The entries are stored by document. ``order`` sorts them by word, so that a product with the transposed matrix is a plain
    segmented sum as well: fast, and the same at every run, unlike a scatter that adds in whatever order threads arrive.
    """

    words: Tensor  # (n,) word of each entry
    counts: Tensor  # (n,) its count, float
    documents: Tensor  # (n,) its document, 0..B-1, ascending
    offsets: Tensor  # (B + 1,) where each document's entries start; the last is n
    order: Tensor  # (n,) permutation that sorts the entries by word
    word_offsets: Tensor  # (V + 1,) where each word's entries start in that order

    @property
    def entries(self) -> tuple[Tensor, ...]:
        """The tensors of length n, which differs from batch to batch."""
        return self.words, self.counts, self.documents, self.order

    @property
    def lengths(self) -> Tensor:
        """Words in each document, with repetition: shape (B,)."""
        return torch.zeros(len(self.offsets) - 1, device=self.counts.device).index_add_(0, self.documents, self.counts)


@dataclass(frozen=True)
class Corpus:
    """D documents over a vocabulary, as the rows of a sparse count matrix.

    Args:
        words, counts: the entries, document after document; counts are floats.
        offsets: (D + 1,) where each document's entries start.
        vocabulary: the V words, in the order of their index.
    """

    words: Tensor
    counts: Tensor
    offsets: Tensor
    vocabulary: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device) -> "Corpus":
        """The same corpus with its entries on ``device``; the offsets stay on the CPU, where batches are cut."""
        return Corpus(self.words.to(device), self.counts.to(device), self.offsets, self.vocabulary)

    def select(self, documents: Tensor) -> "Corpus":
        """The given documents, in the given order."""
        lengths = self.offsets.diff()[documents]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        shift = torch.repeat_interleave(self.offsets[documents] - offsets[:-1], lengths)
        entries = (torch.arange(int(offsets[-1])) + shift).to(self.words.device)
        return Corpus(self.words[entries], self.counts[entries], offsets, self.vocabulary)

    def slice(self, start: int, stop: int) -> BagOfWords:
        """Documents start..stop-1 as a batch."""
        first, last = self.offsets[start].item(), self.offsets[stop].item()
        words, device = self.words[first:last], self.words.device
        offsets = self.offsets[start : stop + 1] - first
        documents = torch.repeat_interleave(offsets.diff()).to(device)
        order = _argsort(words, len(self.vocabulary))
        # the histogram starts one word early, so that its running sum starts with 0
        word_offsets = torch.bincount(words + 1, minlength=len(self.vocabulary) + 1).cumsum(0)
        return BagOfWords(words, self.counts[first:last], documents, offsets.to(device), order, word_offsets)

    def batches(self, size: int) -> Iterator[BagOfWords]:
        """The whole corpus once, in order, in batches of at most ``size`` documents."""
        for start in range(0, len(self), size):
            yield self.slice(start, min(start + size, len(self)))


def _argsort(words: Tensor, num_words: int) -> Tensor:
    """Stable sorting permutation; by NumPy's radix sort of 16-bit keys, several times faster, where that serves."""
    if words.device.type == "cpu" and num_words <= 2**16:
        return torch.from_numpy(words.numpy().astype(np.uint16).argsort(kind="stable"))
    return torch.argsort(words, stable=True)
