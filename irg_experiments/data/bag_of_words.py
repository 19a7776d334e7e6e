"""Bags of words: a corpus in memory, the sparse batches that topic models take, and the order in which training sees them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irg_experiments.data.order import EpochOrder
from irg_experiments.errors import UserError

log = logging.getLogger(__name__)

# documents that are sorted into stream order at a time
_WINDOW = 2**16
# up to this count float32, in which batches have them, is exact
MOST = 2**24


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
    present: Tensor  # (U,) the words that occur, ascending; those of a part of a batch may be those of the whole

    @property
    def entries(self) -> tuple[Tensor, ...]:
        """The tensors of length n, which differs between batches."""
        return self.words, self.counts, self.documents, self.order

    @property
    def lengths(self) -> Tensor:
        """Number of words in each document, with repetition: shape (B,)."""
        return torch.zeros(len(self.offsets) - 1, device=self.counts.device).index_add_(0, self.documents, self.counts)


@dataclass(frozen=True)
class Corpus:
    """D documents over a vocabulary, as the rows of a sparse count matrix.

    Integers may have any dtype, which int16 makes a quarter as large: batches have int64 words, and float32 counts in the place
    of integers.

    Args:
        words: (n,) word index of each entry, 0..V-1, document after document.
        counts: (n,) count of each entry.
        offsets: (D + 1,) where each document's entries start; the last is n.
        vocabulary: the V words, in the order of their index.
    """

    words: Tensor
    counts: Tensor
    offsets: Tensor
    vocabulary: tuple[str, ...]

    @classmethod
    def from_counts(cls, counts: Any, vocabulary: Sequence[str]) -> "Corpus":
        """The rows of a count matrix, in the smallest dtypes that hold them.

        Entries of the same document and word are added. Documents without words are dropped, and their number is logged. Words
        that never occur stay in the vocabulary, which training and test documents share.

        Args:
            counts: SciPy sparse matrix or array, D × V.
            vocabulary: the V words.

        Raises:
            UserError: a count is negative, fractional, NaN or above 2^24, or V is not the number of words.
        """
        from scipy.sparse import csr_matrix

        matrix = csr_matrix(counts)
        _check_counts(matrix, vocabulary)
        if not matrix.has_canonical_format:
            summed = matrix.copy()
            summed.sum_duplicates()
            matrix = summed if summed.nnz < matrix.nnz else matrix  # which else keeps the order of its entries
        if not matrix.data.all():
            matrix = matrix.copy()
            matrix.eliminate_zeros()
        filled = np.diff(matrix.indptr) > 0
        if not filled.all():
            log.info("Dropped %d of %d documents, which have none of the %d words.", (~filled).sum(), *matrix.shape)
        offsets = np.concatenate([[0], matrix.indptr[1:][filled]]).astype(np.int64)
        words, values, starts = map(torch.from_numpy, (_narrow(matrix.indices), _narrow(matrix.data), offsets))
        return cls(words, values, starts, tuple(vocabulary))

    def check(self, whose: str) -> None:
        """Refuses what topic models cannot take.

        Args:
            whose: the corpus, for the message.

        Raises:
            UserError: there are no documents, the tensors do not fit together, a word is no text, a document has no words, an
                index is that of no word, or a count is not a whole number from 1 to 2^24.
        """
        if len(self) <= 0 or len(self.words) == 0:
            raise UserError(f"There are no {whose.removeprefix('the ')}.")
        first, last, sizes = int(self.offsets[0]), int(self.offsets[-1]), (len(self.words), len(self.counts))
        if first != 0 or sizes != (last, last):
            raise UserError(
                f"The offsets of {whose} go from {first} to {last}, with {sizes[0]} words and {sizes[1]} counts: they must go "
                "from 0 to the number of both, as Corpus.from_counts has them."
            )
        if not all(isinstance(word, str) for word in self.vocabulary):
            raise UserError(f"The vocabulary of {whose} must be text: make it by tuple(map(str, words)).")
        empty = self.offsets.diff() <= 0
        if empty.any():
            raise UserError(
                f"Document {int(empty.int().argmax())} of {whose} has no words, and {int(empty.sum())} in all have none: leave "
                "them out, as Corpus.from_counts does."
            )
        least, most = int(self.words.min()), int(self.words.max())
        if least < 0 or most >= len(self.vocabulary):
            raise UserError(
                f"The word indices of {whose} go from {least} to {most}, but its vocabulary has {len(self.vocabulary)} words, "
                "counted from 0."
            )
        self._check_counts(whose)

    def _check_counts(self, whose: str) -> None:
        counts = self.counts
        wrong = ~(counts >= 1)  # a NaN is wrong, too
        if counts.is_floating_point():
            wrong |= (counts != counts.floor()) | (counts > MOST)
        elif torch.iinfo(counts.dtype).max > MOST:
            wrong |= counts > MOST
        if wrong.any():
            entry = int(wrong.int().argmax())
            document = int(torch.searchsorted(self.offsets, entry, right=True)) - 1
            raise _wrong_count(
                self.vocabulary[int(self.words[entry])], f"{document} of {whose}", counts[entry].item(), 1, int(wrong.sum())
            )

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
        words, counts, device = self.words[first:last].long(), self.counts[first:last], self.words.device
        counts = counts if counts.is_floating_point() else counts.float()
        offsets = self.offsets[start : stop + 1] - first
        documents = torch.repeat_interleave(offsets.diff()).to(device)
        order = _argsort(words, len(self.vocabulary))
        # counting from word -1 makes the cumulative sum start at 0
        word_offsets = torch.bincount(words + 1, minlength=len(self.vocabulary) + 1).cumsum(0)
        present = word_offsets.diff().nonzero().squeeze(1)
        return BagOfWords(words, counts, documents, offsets.to(device), order, word_offsets, present)

    def words_of(self, start: int, stop: int) -> Tensor:
        """The words that occur in documents start..stop-1, ascending: shape (U,)."""
        words = self.words[self.offsets[start].item() : self.offsets[stop].item()].long()
        return torch.bincount(words, minlength=len(self.vocabulary)).nonzero().squeeze(1)

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

    def check(self, name: str) -> None:
        """Refuses what topic models cannot take.

        Args:
            name: of the data set, for the message.

        Raises:
            UserError: see ``Corpus.check``; or the vocabularies differ.
        """
        self.train.check(f"the training documents of data={name}")
        self.test.check(f"the test documents of data={name}")
        if tuple(self.train.vocabulary) != tuple(self.test.vocabulary):
            raise UserError(
                f"Training and test documents of data={name} have different vocabularies, so that their word indices mean "
                "different words: count both with the same one."
            )


class DocumentStream:
    """Batches of training documents in the order of ``EpochOrder``: they depend on seed and step alone.

    Documents are sorted into stream order many batches at a time, so that a batch is a contiguous slice of them. A window of at
    most 65,536 documents bounds the memory that the copy takes.

    Args:
        corpus: the training documents.
        batch_size: number of documents per batch.
        seed: the run's seed.
        part: the documents of each batch that are returned, all by default; ``present`` has the words of the whole batch.
    """

    def __init__(self, corpus: Corpus, batch_size: int, seed: int, part: range | None = None) -> None:
        self.corpus, self.part = corpus, part or range(batch_size)
        self.order = EpochOrder(len(corpus), batch_size, seed)
        self._stream: Tensor | None = None
        self._sorted = corpus
        self._start = 0  # position in the stream of the first sorted document

    def batch(self, step: int) -> BagOfWords:
        """The batch of a step, counted from 0."""
        stream, start = self.order.locate(step)
        stop = start + self.order.batch_size
        if stream is not self._stream or not self._start <= start < stop <= self._start + len(self._sorted):
            window = stream[start : start + max(_WINDOW, self.order.batch_size)]
            self._stream, self._start, self._sorted = stream, start, self.corpus.select(window)
        first = start - self._start
        batch = self._sorted.slice(first + self.part.start, first + self.part.stop)
        if len(self.part) == self.order.batch_size:
            return batch
        return batch._replace(present=self._sorted.words_of(first, stop - self._start))


def _check_counts(matrix: Any, vocabulary: Sequence[str]) -> None:
    if matrix.shape[1] != len(vocabulary):
        raise UserError(f"The counts have {matrix.shape[1]} columns, but the vocabulary has {len(vocabulary)} words.")
    wrong = (matrix.data < 0) | (matrix.data > MOST)
    if not np.issubdtype(matrix.dtype, np.integer):
        wrong |= ~np.isfinite(matrix.data) | (matrix.data != np.floor(matrix.data))
    if wrong.any():
        entry = int(wrong.argmax())
        document = int(np.searchsorted(matrix.indptr, entry, side="right")) - 1
        raise _wrong_count(vocabulary[matrix.indices[entry]], str(document), matrix.data[entry], 0, wrong.sum())


def _wrong_count(word: str, document: str, count: float, least: int, number: int) -> UserError:
    return UserError(
        f"The count of word '{word}' in document {document} is {count:g}, but counts are whole numbers from {least} to {MOST}. "
        f"Wrong counts in all: {number}."
    )


def _narrow(values: NDArray[Any]) -> NDArray[np.integer]:
    """The whole numbers as int16 or, if one is too large, int32."""
    return values.astype(np.int16 if values.max(initial=0) < 2**15 else np.int32)


def _argsort(words: Tensor, num_words: int) -> Tensor:
    """Stable sorting permutation, on the CPU by NumPy's radix sort of 16-bit keys, which is several times faster."""
    if words.device.type == "cpu" and num_words <= 2**16:
        return torch.from_numpy(words.numpy().astype(np.uint16).argsort(kind="stable"))
    return torch.argsort(words, stable=True)
