"""RCV1-v2 (Lewis et al. 2004): 804,414 newswire stories of Reuters, as word counts over the 10,000 most frequent terms.

The stories are published as ltc weights only, which ``counts_from_ltc`` turns back into counts. scikit-learn distributes the
weights without the terms' names, so the words here are the column numbers of its matrix.
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from irg_experiments.config.types import Count
from irg_experiments.data.bag_of_words import Corpus, TopicData
from irg_experiments.data.cache import Arrays, cached_arrays, key_of
from irg_experiments.data.download import is_present, reason_of
from irg_experiments.data.ltc import counts_from_ltc
from irg_experiments.errors import UserError
from irg_experiments.files import folder_of

log = logging.getLogger(__name__)

SOURCE = "RCV1/samples_py3.pkl"  # where scikit-learn keeps the weights
SUBSET = "rcv1_subset/ltc_weights.npz"
NUM_WORDS = 10_000
NUM_DOCUMENTS, NUM_TEST = 804_414, 10_000
SPLIT_SEED = 2004

_FORMAT = 1  # of the cached arrays and of how they are made
_KEYS = ("vocabulary", *(f"{part}_{name}" for part in ("train", "test") for name in ("words", "counts", "offsets")))


def load(root: Path, num_words: Count = NUM_WORDS) -> TopicData:
    """794,414 training and 10,000 test documents.

    The words are the terms that occur in most documents; of terms that occur in equally many, the first ones. A permutation
    with a fixed seed decides which documents are for testing. Documents without any of the words are dropped.

    The weights are downloaded by ``sklearn.datasets.fetch_rcv1(data_home=root)`` if they do not exist. Their conversion takes
    minutes and is kept in a file beside them.

    Args:
        root: folder of data files.
        num_words: size of the vocabulary.

    Raises:
        UserError: the weights cannot be downloaded or read, or are no ltc weights.
    """
    source = root / SOURCE
    if not is_present(source):
        _download(root, source)
    return _converted(source, lambda: _fetch(root), num_words)


def load_subset(root: Path, num_words: Count = NUM_WORDS) -> TopicData:
    """``load`` of a part of the documents, in the same proportion of training and test documents.

    Args:
        root: folder with ``rcv1_subset/ltc_weights.npz``, some rows of the weights as ``scipy.sparse.save_npz`` writes them.
        num_words: size of the vocabulary.

    Raises:
        UserError: the file does not exist, cannot be read or does not hold ltc weights.
    """
    source = root / SUBSET
    if not is_present(source):
        raise UserError(
            f"Missing data file {source}: write rows of sklearn.datasets.fetch_rcv1().data there by scipy.sparse.save_npz, set "
            f"data.root (or the environment variable IRG_DATA) to a folder that holds {SUBSET}, or use data=newsgroups."
        )
    return _converted(source, lambda: _read(source), num_words)


def _download(root: Path, source: Path) -> None:
    log.info("Downloading RCV1, 650 MB, to %s.", source.parent)
    try:
        with folder_of(source):
            _fetch(root)
    except OSError as error:
        raise UserError(
            f"Missing data file {source}, and it cannot be downloaded: {reason_of(error)}. Set data.root (or the environment "
            f"variable IRG_DATA) to a folder that holds what scikit-learn keeps in {Path(SOURCE).parent}, or use "
            "data=rcv1_subset or data=newsgroups."
        ) from error


def _fetch(root: Path) -> Any:
    """The matrix of weights from scikit-learn, which downloads what does not exist."""
    from sklearn.datasets import fetch_rcv1  # slow to import

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Retry downloading")
            return fetch_rcv1(data_home=str(root)).data.astype(np.float32)
    except OSError as error:
        if not is_present(root / SOURCE):
            raise
        folder = (root / SOURCE).parent
        raise UserError(
            f"{folder} is incomplete, and scikit-learn could not download the rest: {reason_of(error)}. Repeat the command "
            "with a network, copy the whole folder from a machine that has it, or use data=rcv1_subset or data=newsgroups."
        ) from error
    except Exception as error:  # a damaged file raises errors of many types
        raise UserError(_damaged((root / SOURCE).parent, error, "remove the folder to have it downloaded again")) from error


def _read(path: Path) -> Any:
    from scipy.sparse import load_npz

    try:
        with path.open("rb") as file:  # load_npz leaves a damaged file open
            return load_npz(file)
    except Exception as error:  # a damaged file raises errors of many types
        raise UserError(_damaged(path, error, "replace the file")) from error


def _damaged(path: Path, error: Exception, remedy: str) -> str:
    return f"{path} is damaged or incomplete: {reason_of(error)}. Nothing was overwritten: {remedy}, or set data.root."


def _converted(source: Path, read: Callable[[], Any], num_words: int) -> TopicData:
    """The data set made of the weights that ``read`` returns, from its cache if there is one."""

    def make() -> Arrays:
        log.info("Converting the weights of %s to counts, once.", source)
        return _arrays(read(), num_words, source)

    key = key_of(source, _FORMAT, num_words)
    try:
        arrays = cached_arrays(f"counts-{key}.npz", source.parent, make, _KEYS)
    except OSError as error:
        raise UserError(_damaged(source, error, "replace the file")) from error
    vocabulary = tuple(map(str, arrays["vocabulary"].tolist()))

    def corpus(part: str) -> Corpus:
        words, counts, offsets = (torch.from_numpy(arrays[f"{part}_{name}"]) for name in ("words", "counts", "offsets"))
        return Corpus(words, counts, offsets, vocabulary)

    return TopicData(train=corpus("train"), test=corpus("test"))


def _arrays(weights: Any, num_words: int, source: Path) -> Arrays:
    """What is cached: the columns that are words, and words, counts and offsets of each split."""
    counts = counts_from_ltc(weights)
    del weights
    kept, counts = most_frequent(counts, num_words)
    order = torch.randperm(counts.shape[0], generator=torch.Generator().manual_seed(SPLIT_SEED)).numpy()
    num_test = round(len(order) * NUM_TEST / NUM_DOCUMENTS)
    arrays: Arrays = {"vocabulary": kept}
    for part, documents in (("test", order[:num_test]), ("train", order[num_test:])):
        corpus = Corpus.from_counts(counts[np.sort(documents)], tuple(map(str, kept)))
        if len(corpus) == 0:
            raise UserError(f"{source} has too few documents for a training and a test set: use at least a few hundred.")
        arrays |= {f"{part}_{name}": getattr(corpus, name).numpy() for name in ("words", "counts", "offsets")}
    return arrays


def most_frequent(counts: Any, num_words: int) -> tuple[np.ndarray, Any]:
    """The columns with the most non-zero entries, in ascending order, and the matrix of these columns."""
    from scipy.sparse import csr_matrix

    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    first = np.argsort(-frequency, kind="stable")[:num_words]
    kept = np.sort(first[frequency[first] > 0])
    column = np.full(counts.shape[1], -1, np.int32)
    column[kept] = np.arange(len(kept))
    words = column[counts.indices]
    is_kept = words >= 0
    offsets = np.concatenate([[0], np.cumsum(is_kept, dtype=np.int32)])[counts.indptr]
    return kept, csr_matrix((counts.data[is_kept], words[is_kept], offsets), (counts.shape[0], len(kept)))
