"""Measures of topics against their definitions, written as loops over documents, topics and words."""

import itertools
import math

import numpy as np
import pytest
import torch

from irg_experiments.data import Corpus
from irg_experiments.experiments.lda.quality import effective_topics, quality, topic_coherence, topic_diversity
from irg_experiments.experiments.lda.results import top_words

# words a to e; a and b are in every document that has one of them, e is in no document
DOCUMENTS = ["a a b", "a b c", "c", "d c", "a b d d"]
WORDS = "abcde"


def corpus(documents: list[str], words: str = WORDS) -> Corpus:
    counts = torch.tensor([[text.split().count(word) for word in words] for text in documents])
    rows, columns = counts.nonzero(as_tuple=True)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(rows, minlength=len(documents)).cumsum(0)])
    return Corpus(columns, counts[rows, columns].float(), offsets, tuple(words))


def topics_of(*orders: str, words: str = WORDS) -> np.ndarray:
    """Topics whose most probable words are those of each string, in its order."""
    weight = np.array([[2.0 ** -order.find(word) if word in order else 0 for word in words] for order in orders])
    return (weight / weight.sum(1, keepdims=True)).T


def slow_coherence(topics: np.ndarray, documents: list[str], words: str, number: int) -> float:
    values = []
    for topic in topics.T:
        top = sorted(range(len(words)), key=lambda word: (-topic[word], word))[:number]
        for i, j in itertools.combinations(top, 2):
            has = [(words[i] in text.split(), words[j] in text.split()) for text in documents]
            p_i, p_j, p_ij = (sum(map(test, has)) / len(documents) for test in (lambda x: x[0], lambda x: x[1], all))
            values.append(-1 if p_ij == 0 else 1 if p_ij == 1 else math.log(p_ij / (p_i * p_j)) / -math.log(p_ij))
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (["ab"], 1.0),  # always together
        (["ae"], -1.0),  # one never occurs
        (["cd"], math.log(0.2 / (0.6 * 0.4)) / -math.log(0.2)),
        (["ab", "ae"], 0.0),
    ],
)
def test_coherence_of_two_words(orders: list[str], expected: float):
    assert topic_coherence(topics_of(*orders), corpus(DOCUMENTS), 2) == pytest.approx(expected, abs=1e-12)


def test_a_pair_that_all_documents_have_counts_one():
    assert topic_coherence(topics_of("ab"), corpus(["a b", "b a"]), 2) == 1


def test_coherence_of_random_topics_is_the_mean_over_pairs_and_topics():
    random = np.random.default_rng(0)
    words = "abcdefghijklmnop"
    documents = [" ".join(random.choice(list(words), size, p=random.dirichlet(np.ones(16) / 4))) for size in range(2, 42)]
    topics = random.dirichlet(np.ones(16), 6).T
    for number in (2, 5, 10, 16, 30):
        expected = slow_coherence(topics, documents, words, number)
        assert topic_coherence(topics, corpus(documents, words), number) == pytest.approx(expected, abs=1e-12)


def test_diversity_is_the_share_of_different_words():
    topics = topics_of("abc", "abd", "cde")
    assert topic_diversity(topics, 1) == 2 / 3  # a, a, c
    assert topic_diversity(topics, 3) == 5 / 9
    assert topic_diversity(topics, 100) == 5 / 15  # there are five words
    np.testing.assert_array_equal(top_words(topics, 2), [[0, 1], [0, 1], [2, 3]])


def test_effective_topics():
    weights = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]], np.float32)
    assert effective_topics(weights) == pytest.approx((1 + 2 + 4) / 3, rel=1e-6)
    assert effective_topics(np.array([[0.9, 0.1]])) == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)))


def test_all_metrics():
    found = quality(topics_of("ab", "cd"), np.array([[0.5, 0.5], [1.0, 0.0]]), corpus(DOCUMENTS))
    assert found["effective_topics"] == pytest.approx(1.5)
    assert found.keys() == {"topic_coherence", "topic_diversity", "effective_topics"}
