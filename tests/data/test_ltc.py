import logging

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from irg_experiments.data.ltc import counts_from_ltc
from irg_experiments.errors import UserError
from tests.data.ltc_weights import COLLECTION, NUM_WORDS, ltc, random_counts


def converted(counts: csr_matrix) -> csr_matrix:
    return counts_from_ltc(ltc(counts), COLLECTION)


def document(counts: dict[int, int]) -> csr_matrix:
    return csr_matrix((list(counts.values()), ([0] * len(counts), list(counts))), (1, NUM_WORDS), dtype=np.int32)


def test_counts_come_back_from_their_weights(caplog: pytest.LogCaptureFixture):
    counts = random_counts(400)
    with caplog.at_level(logging.INFO):
        result = converted(counts)
    assert result.dtype == np.int32
    assert result.shape == counts.shape
    assert (result != counts).nnz == 0
    assert counts.max() == 400
    assert "400 of 400 documents (100.000%)" in caplog.text


EDGES = [
    ({7: 1}, {7: 1}),
    ({7: 5}, {7: 1}),  # the only weight is 1, whatever the count
    ({3: 4, 90: 4, 200: 4}, {3: 1, 90: 1, 200: 1}),  # equal counts cancel in the weights
    ({3: 1, 90: 6, 200: 6, 201: 6}, {3: 1, 90: 6, 200: 6, 201: 6}),
    ({3: 2, 90: 3, 200: 5, 201: 7}, {3: 2, 90: 3, 200: 5, 201: 7}),  # no count of 1
    ({3: 1, 90: 2500}, {3: 1, 90: 2500}),
    ({}, {}),
]


def test_documents_at_the_edges():
    usual, edges, expected = (
        random_counts(300),
        vstack([document(given) for given, _ in EDGES]),
        vstack([document(expected) for _, expected in EDGES]),
    )
    result = converted(vstack([usual, edges]).tocsr())
    assert (result[:300] != usual).nnz == 0
    assert result[300:].toarray().tolist() == expected.toarray().tolist()


def test_conversion_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch):
    counts = random_counts(300)
    monkeypatch.setattr("irg_experiments.data.ltc._CHUNK", 500)
    assert (converted(counts) != counts).nnz == 0


def test_the_fit_takes_a_sample_of_a_large_corpus(monkeypatch: pytest.MonkeyPatch):
    counts = random_counts(600)
    monkeypatch.setattr("irg_experiments.data.ltc._SAMPLE", 300)
    assert (converted(counts) != counts).nnz == 0


def test_a_document_that_is_not_exact_is_kept(caplog: pytest.LogCaptureFixture):
    counts = random_counts(300)
    weights = ltc(counts)
    weights.data[weights.indptr[5]] *= 1.01
    with caplog.at_level(logging.INFO):
        result = counts_from_ltc(weights, COLLECTION)
    assert "299 of 300 documents" in caplog.text
    others = np.arange(300) != 5
    assert (result[others] != counts[others]).nnz == 0
    assert result[5].min() >= 0
    assert result[5].nnz == counts[5].nnz


def test_no_documents_give_no_counts():
    assert counts_from_ltc(csr_matrix((3, 5))).shape == (3, 5)


def test_other_weights_are_refused():
    counts = random_counts(300)
    with pytest.raises(UserError, match=r"^The counts of .*% of the documents are integers; .*Weights must be"):
        counts_from_ltc(counts.astype(float) / 7, COLLECTION)


@pytest.mark.parametrize("value", [0.0, -0.1, np.nan, np.inf])
def test_weights_are_positive_numbers(value: float):
    weights = ltc(random_counts(3))
    weights.data[4] = value
    with pytest.raises(UserError, match=r"^ltc weights must be positive numbers"):
        counts_from_ltc(weights, COLLECTION)
