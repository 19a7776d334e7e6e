"""Word counts from ltc weights: the inverse of cosine-normalised (1 + ln count) · idf (Salton & Buckley 1988).

The weight of word j in document d is

    w_dj = (1 + ln c_dj) · idf_j / m_d,   idf_j = ln(N / n_j),   m_d such that Σ_j w_dj² = 1,

where n_j of the N documents of some collection hold word j. Neither idf_j nor m_d is published with the weights. They are
found in three steps: a robust fit of ln w_dj = ln(1 + ln c_dj) + ln idf_j − ln m_d to a sample of the documents, in which most
counts are 1; for each word, a search for the integer n_j that makes most of its counts integers; and with these idf_j, the
norm m_d.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irg_experiments.errors import UserError

log = logging.getLogger(__name__)

# N of the weights of RCV1-v2, which Lewis et al. (2004) do not state: the only number for which all n_j are integers
COLLECTION_SIZE = 23_307
SMALLEST_SHARE = 0.99  # of exact documents; other matrices are not ltc weights

_PRECISION = 1e-6  # of published weights, which have six decimals
_SAMPLE = 30_000  # documents of the fit
_CHUNK = 2**21  # entries that are converted at a time
_EVIDENCE = 200  # entries per word that decide about its idf
_FEWEST = 5  # documents of the sample that a word must be in for its fitted idf to be used
_LARGEST_LOG = 15.0  # above that of any count c, ln c, and above 1 + ln c

Array = NDArray[np.float64]
Indices = NDArray[np.integer]


def counts_from_ltc(weights: Any, collection_size: int = COLLECTION_SIZE) -> Any:
    """The word counts of documents, given their ltc weights.

    A document is exact if the weights of its counts agree with those given to within 1e-6. No document is lost: the others
    keep the nearest integers, or 1 where the weights do not tell neighbouring integers apart. The share of exact documents is
    logged. If all counts of a document are equal, its weights are the same for any value of them, and they become 1.

    Args:
        weights: SciPy sparse matrix of D documents × V words. Documents of length 0 are allowed.
        collection_size: N, of which idf_j = ln(N / n_j) with integers n_j from 1 to N − 1, some of them below 300.

    Returns:
        A ``scipy.sparse.csr_matrix`` of int32, D × V, with the entries of ``weights`` in the same places.

    Raises:
        UserError: a weight is not a positive number, or less than 99% of the documents are exact.
    """
    from scipy.sparse import csr_matrix

    matrix = csr_matrix(weights)
    if not (np.isfinite(matrix.data).all() and (matrix.data > 0).all()):
        raise UserError("ltc weights must be positive numbers: remove the entries that are zero, negative, NaN or infinite.")
    if matrix.nnz == 0:
        return csr_matrix(matrix.shape, dtype=np.int32)
    idf = _idf(matrix, collection_size)
    counts, exact = np.empty(matrix.nnz, np.int32), np.empty(matrix.shape[0], bool)
    exact[np.diff(matrix.indptr) == 0] = True
    for part in _parts(matrix):
        counts[part.entries], exact[part.rows] = _counts(part, idf)
    _report(exact)
    return csr_matrix((counts, matrix.indices, matrix.indptr), matrix.shape)


def _report(exact: NDArray[np.bool_]) -> None:
    share = exact.mean()
    if share < SMALLEST_SHARE:
        raise UserError(
            f"The counts of {share:.2%} of the documents are integers; of ltc weights it is more than {SMALLEST_SHARE:.0%}. "
            "Weights must be (1 + ln count) · ln(N / n), divided by the length of the document's vector."
        )
    log.info("Counts of %s of %s documents (%.3f%%) are exact; the others are rounded.", exact.sum(), len(exact), 100 * share)


@dataclass
class _Documents:
    """Some of the documents, without those of length 0.

    Args:
        rows: their rows in the matrix.
        entries: of the matrix that they hold.
        words: word of each entry.
        weights: of each entry.
        starts: where each document's entries start.
        owners: document of each entry, as an index of ``rows``.
    """

    rows: Indices
    entries: slice
    words: Indices
    weights: Array
    starts: Indices
    owners: Indices


def _documents(matrix: Any, first: int, last: int) -> _Documents:
    """Rows first..last-1."""
    offsets = matrix.indptr[first : last + 1]
    lengths = np.diff(offsets)
    filled = np.flatnonzero(lengths)
    entries = slice(int(offsets[0]), int(offsets[-1]))
    owners = np.repeat(np.arange(len(filled)), lengths[filled])
    weights = matrix.data[entries].astype(np.float64)
    return _Documents(first + filled, entries, matrix.indices[entries], weights, offsets[filled] - offsets[0], owners)


def _parts(matrix: Any) -> Iterator[_Documents]:
    """All documents, in parts that bound the memory of a conversion."""
    first = 0
    while first < matrix.shape[0]:
        fitting = int(np.searchsorted(matrix.indptr, matrix.indptr[first] + _CHUNK, side="right")) - 1
        last = min(max(first + 1, fitting), matrix.shape[0])
        yield _documents(matrix, first, last)
        first = last


def _idf(matrix: Any, size: int) -> Array:
    """idf_j of each word."""
    sample = matrix[:: -(-matrix.shape[0] // _SAMPLE)] if matrix.shape[0] > _SAMPLE else matrix
    held = np.bincount(sample.indices, minlength=matrix.shape[1])
    expected = np.clip(held * (size / max(sample.shape[0], 1)), 0.5, size - 0.5)
    log_idf = _fit(_documents(sample, 0, sample.shape[0]), np.log(np.log(size / expected)))
    known = held >= min(_FEWEST, held.max(initial=0))
    log_idf += np.log(_scale(np.exp(log_idf[known]), size))
    held = np.bincount(matrix.indices, minlength=matrix.shape[1])
    expected = np.clip(held * (size / max(matrix.shape[0], 1)), 0.5, size - 0.5)
    idf = _search(*_evidence(matrix, log_idf, known), expected, size)
    # once more, with norms in which every word takes part
    return _search(*_evidence(matrix, np.log(idf), np.ones_like(known)), expected, size)


def _residuals(part: _Documents, log_norm: Array, log_idf: Array) -> tuple[Array, Array]:
    """ln w_dj + ln m_d − ln idf_j − ln(1 + ln c_dj) with the nearest counts c_dj, and these counts."""
    residual = np.log(part.weights) + log_norm[part.owners] - log_idf[part.words]
    counts = _nearest(np.exp(np.minimum(residual, np.log(_LARGEST_LOG))))
    return residual - np.log1p(np.log(counts)), counts


def _nearest(log_term: Array) -> Array:
    """The count of at least 1 for which 1 + ln count is near ``log_term``."""
    return np.maximum(np.rint(np.exp(np.minimum(log_term - 1, _LARGEST_LOG))), 1)


def _first_norms(part: _Documents, log_idf: Array, *shares: float) -> Iterator[Array]:
    """ln m_d if the entries at these shares of each document, in the order of w_dj / idf_j, have count 1."""
    ratios = np.log(part.weights) - log_idf[part.words]
    ordered = ratios[np.lexsort((ratios, part.owners))]
    lengths = np.diff(part.starts, append=len(ordered))
    for share in shares:
        yield -ordered[part.starts + (lengths * share).astype(int)]


def _trust(residual: Array, counts: Array, weights: Array, tolerance: float) -> Array:
    """The weight of each residual in a mean: its precision, zero outside the tolerance."""
    return np.where(np.abs(residual) < tolerance, weights**2 / counts, 0)


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Array:
    return numerator / np.maximum(denominator, np.finfo(float).tiny)


def _fit(part: _Documents, log_idf: Array) -> Array:
    """ln idf_j up to a common constant, by trimmed means over words and over documents in turn."""
    (log_norm,), words = _first_norms(part, log_idf, 0.3), len(log_idf)
    for tolerance in (*np.geomspace(0.5, 1e-3, 22), *[1e-3] * 8):
        residual, counts = _residuals(part, log_norm, log_idf)
        trust = _trust(residual, counts, part.weights, tolerance)
        step = _ratio(np.bincount(part.words, trust * residual, words), np.bincount(part.words, trust, words))
        log_idf = log_idf + step
        residual -= step[part.words]
        log_norm -= _ratio(np.add.reduceat(trust * residual, part.starts), np.add.reduceat(trust, part.starts))
    return log_idf


def _scale(idf: Array, size: int) -> float:
    """The factor that makes size · exp(−factor · idf) an integer for most words, found for words that few documents hold."""
    few = np.flatnonzero(size * np.exp(-idf) < 300)
    few = few[:: max(len(few) // 1000, 1)]
    if len(few) == 0:
        return 1.0

    def agreement(scale: float) -> float:
        held = size * np.exp(-scale * idf[few])
        return float(np.where(held > 0.5, np.cos(2 * np.pi * held), -1).mean())

    scale = max(np.arange(0.8, 1.25, 1e-4), key=agreement)
    for _ in range(3):
        held = np.maximum(np.rint(size * np.exp(-scale * idf[few])), 1)
        scale = np.median(np.log(size / held) / idf[few])
    return float(scale)


def _evidence(matrix: Any, log_idf: Array, known: NDArray[np.bool_]) -> tuple[Indices, Array, Array]:
    """Up to 200 entries of each word: word, (1 + ln c_dj) · idf_j, and the relative error of that; sorted by word."""
    found: list[tuple[Indices, Array, Array]] = []
    seen = np.zeros(len(log_idf), np.int64)
    for part in _parts(matrix):
        products = part.weights * np.exp(_norms(part, log_idf, known))[part.owners]
        wanted = np.flatnonzero(seen[part.words] < _EVIDENCE)
        wanted = wanted[np.argsort(part.words[wanted], kind="stable")]
        words = part.words[wanted]
        new = np.bincount(words, minlength=len(seen))
        rank = np.arange(len(words)) - (np.cumsum(new) - new)[words]
        keep = seen[words] + rank < _EVIDENCE
        seen += new
        chosen = wanted[keep]
        found.append((words[keep], products[chosen], 2 * _PRECISION / part.weights[chosen] + 5 * _PRECISION))
    words, products, errors = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = np.lexsort((products, words))
    return words[order], products[order], errors[order]


def _norms(part: _Documents, log_idf: Array, known: NDArray[np.bool_]) -> Array:
    """ln m_d by trimmed means over the words whose idf is known: the best of those that start at several deciles."""
    log_idf = np.where(known, log_idf, 0)
    best, result = np.full(len(part.rows), -1.0), np.zeros(len(part.rows))
    for log_norm in _first_norms(part, np.where(known, log_idf, -_LARGEST_LOG), 0.3, 0.1, 0.0):
        for tolerance in (0.1, 1e-2, 1e-3, 1e-4):
            residual, counts = _residuals(part, log_norm, log_idf)
            trust = _trust(residual, counts, part.weights, tolerance) * known[part.words]
            total = np.add.reduceat(trust, part.starts)
            log_norm = log_norm - _ratio(np.add.reduceat(trust * residual, part.starts), total)
        better = total > best
        best[better], result[better] = total[better], log_norm[better]
    return result


def _search(words: Indices, products: Array, errors: Array, expected: Array, size: int) -> Array:
    """idf_j = ln(N / n_j) with the integer n_j under which chance explains the matches of integer counts least.

    A match of an integer count c scores −ln of the probability that a number near it matches by chance, which is about
    2 · error · c · (1 + ln c): large counts score little. Less |ln(n_j / expected)|, so that n_j is near the expected one.
    """
    best, idf = np.full(len(expected), -np.inf), np.log(size / expected)
    possible = np.bincount(words, -np.log(2 * errors), len(expected))
    for count in range(1, 61):
        for share in (0.1, 0.0, 0.25, 0.5, 1.0):
            is_open = (best < 0.6 * possible)[words]
            words, products, errors = words[is_open], products[is_open], errors[is_open]
            used, starts = np.unique(words, return_index=True)
            lengths = np.diff(starts, append=len(words))
            start = products[starts + (share * (lengths - 1)).astype(int)]
            held = np.clip(np.rint(size * np.exp(-start / (1 + np.log(count)))), 1, size - 1)
            candidate = np.log(size / held)
            terms = products / np.repeat(candidate, lengths)
            total = np.add.reduceat(_information(terms, errors), starts) - np.abs(np.log(held / expected[used]))
            better = total > best[used]
            best[used[better]], idf[used[better]] = total[better], candidate[better]
    return idf


def _information(terms: Array, errors: Array) -> Array:
    """The score of the match of each 1 + ln count with an integer count, in nats; 0 without a match."""
    counts = _nearest(terms)
    matches = np.abs((1 + np.log(counts)) / terms - 1) < errors
    return np.where(matches, np.maximum(-np.log(2 * errors * counts * (1 + np.log(counts))), 0), 0)


def _counts(part: _Documents, idf: Array) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Counts of the entries, and which documents are exact. The smallest count of a document is taken for 1, else 2, 3 or 4."""
    ratios = part.weights / idf[part.words]
    smallest = np.minimum.reduceat(ratios, part.starts)
    squares = np.add.reduceat(part.weights**2, part.starts)
    result, exact = np.zeros(len(ratios)), np.zeros(len(smallest), bool)
    for count in range(1, 5):
        norm = (1 + np.log(count)) / smallest
        for _ in range(3):  # the least squares norm is more precise than that of one entry
            counts = _nearest(ratios * norm[part.owners])
            terms = 1 + np.log(counts)
            norm = np.add.reduceat(part.weights * terms * idf[part.words], part.starts) / squares
        # the next larger count must have another weight
        determined = counts * terms * _PRECISION < 0.25 * part.weights
        agrees = np.abs(terms * idf[part.words] / norm[part.owners] - part.weights) < _PRECISION
        fits = np.logical_and.reduceat(determined & agrees, part.starts)
        new = (fits & ~exact if count > 1 else np.ones_like(exact))[part.owners]
        result[new] = np.where(determined, counts, 1)[new]
        exact |= fits
    return result.astype(np.int32), exact
