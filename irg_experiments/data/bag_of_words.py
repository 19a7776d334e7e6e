"""Bags of words: a corpus in memory, the sparse batches that topic models take, and the order in which training sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from irg_experiments.data.order import EpochOrder


class BagOfWords(NamedTuple):
    """A batch of B documents over V words: the n non-zero entries of the B × V count matrix, indexed in both directions.

    The entries are stored by document. ``order`` sorts them by word, so that a product with the transposed matrix is a plain
    segmented sum as well. That is fast, and deterministic, unlike a scatter whose additions happen in any order.
    """

    words: Tensor  # (n,) word of each entry
    counts: Tensor  # (n,) its count, float
    documents: Tensor  # (n,) its document, 0..B-1, ascending
    offsets: Tensor  # (B + 1,) where each document's entries start; the last is n
    order: Tensor  # (n,) permutation that sorts the entries by word
    word_offsets: Tensor  # (V + 1,) where each word's entries start in that order
    present: Tensor  # (U,) the words that occur, ascending

    @property
    def varying(self) -> tuple[Tensor, ...]:
        """The tensors whose lengths, n and U, differ between batches."""
        return self.words, self.counts, self.documents, self.order, self.present

    @property
    def lengths(self) -> Tensor:
        """Number of words in each document, with repetition: shape (B,)."""
        return torch.zeros(len(self.offsets) - 1, device=self.counts.device).index_add_(0, self.documents, self.counts)


@dataclass(frozen=True)
class Corpus:
    """D documents over a vocabulary, as the rows of a sparse count matrix.

    Args:
        words: (n,) word index of each entry, 0..V-1, document after document.
        counts: (n,) count of each entry, float.
        offsets: (D + 1,) where each document's entries start; the last is n.
        vocabulary: the V words, in the order of their index.
    """

    words: Tensor
    counts: Tensor
    offsets: Tensor
    vocabulary: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device) -> "Corpus":
        """The same corpus with its entries on ``device``. The offsets stay on the CPU, where they index the entries."""
        return Corpus(self.words.to(device), self.counts.to(device), self.offsets, self.vocabulary)

    def select(self, documents: Tensor) -> "Corpus":
        """The documents with the given indices, in that order."""
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
        # counting from word -1 makes the cumulative sum start at 0
        word_offsets = torch.bincount(words + 1, minlength=len(self.vocabulary) + 1).cumsum(0)
        present = word_offsets.diff().nonzero().squeeze(1)
        return BagOfWords(words, self.counts[first:last], documents, offsets.to(device), order, word_offsets, present)

    def batches(self, size: int) -> Iterator[BagOfWords]:
        """The whole corpus once, in order, in batches of at most ``size`` documents."""
        for start in range(0, len(self), size):
            yield self.slice(start, min(start + size, len(self)))


@dataclass(frozen=True)
class TopicData:
    """Training and test documents and, for a generated corpus, the model that generated them.

    Args:
        train: training corpus.
        test: test corpus over the same vocabulary.
        topics: (V, K) true word probabilities of the topics, if known.
        best_perplexity: test perplexity of the true model, if known; no other model is better in expectation.
        image_side: S if the words are the pixels of an S × S image, row by row; topics are then drawn as images.
    """

    train: Corpus
    test: Corpus
    topics: Tensor | None = None
    best_perplexity: float | None = None
    image_side: int | None = None


class DocumentStream:
    """Batches of training documents in the order of ``EpochOrder``: they depend on seed and step alone.

    The corpus is sorted into stream order once per epoch, so that a batch is a contiguous slice of it.

    Args:
        corpus: the training documents.
        batch_size: number of documents per batch.
        seed: the run's seed.
    """

    def __init__(self, corpus: Corpus, batch_size: int, seed: int) -> None:
        self.corpus = corpus
        self.order = EpochOrder(len(corpus), batch_size, seed)
        self._window: Tensor | None = None
        self._sorted = corpus

    def batch(self, step: int) -> BagOfWords:
        """The batch of a step, counted from 0."""
        window, start = self.order.locate(step)
        if window is not self._window:
            self._window, self._sorted = window, self.corpus.select(window)
        return self._sorted.slice(start, start + self.order.batch_size)


def _argsort(words: Tensor, num_words: int) -> Tensor:
    """Stable sorting permutation, on the CPU by NumPy's radix sort of 16-bit keys, which is several times faster."""
    if words.device.type == "cpu" and num_words <= 2**16:
        return torch.from_numpy(words.numpy().astype(np.uint16).argsort(kind="stable"))
    return torch.argsort(words, stable=True)
