"""How good topics are as sets of words, and how few of them a document has: what perplexity does not tell."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from irg_experiments.data.bag_of_words import Corpus
from irg_experiments.experiments.lda.results import top_words

Array = NDArray[np.floating]

COHERENCE_WORDS = 10
DIVERSITY_WORDS = 25


def quality(topics: Array, weights: Array, documents: Corpus) -> dict[str, float]:
    """The metrics of trained topics: see the functions of these names.

    Of a small vocabulary of V words, V/5 words of a topic count for coherence if that is fewer than ten, and V/10 for diversity
    if that is fewer than 25, as all topics share their most probable words where there are hardly more.

    Args:
        topics: β, one topic per column, (V, K).
        weights: θ of each document, (D, K).
        documents: of the test set.
    """
    return {
        "topic_coherence": topic_coherence(topics, documents, min(COHERENCE_WORDS, max(2, len(topics) // 5))),
        "topic_diversity": topic_diversity(topics, min(DIVERSITY_WORDS, max(1, len(topics) // 10))),
        "effective_topics": effective_topics(weights),
    }


def topic_coherence(topics: Array, documents: Corpus, number: int = COHERENCE_WORDS) -> float:
    """The mean normalised pointwise mutual information of pairs of a topic's most probable words, over pairs and topics.

    NPMI(i, j) = ln(p_ij / (p_i p_j)) / −ln p_ij, where p_i is the share of the documents with word i and p_ij the share with
    both words. Its range is −1 to 1. A pair that no document has counts −1, also where one of its words is in no document, and
    a pair that all documents have 1: these are the limits for p_ij → 0 at fixed p_i p_j, and for p_i = p_j = p_ij → 1.

    Args:
        topics: β, one topic per column, (V, K).
        documents: D over the same V words. Their whole text is the window of co-occurrence.
        number: N ≥ 2 of most probable words; topics over fewer words take all.

    Returns:
        A number from −1 to 1.

    Source: Lau, Newman & Baldwin (2014); Röder, Both & Hinneburg (2015).
    """
    words = top_words(topics, number)
    chosen, columns = np.unique(words, return_inverse=True)
    together = _shares_together(documents, chosen)
    first, second = columns.reshape(words.shape)[:, np.triu_indices(words.shape[1], 1)].transpose(1, 0, 2)
    alone = together.diagonal()
    return float(_npmi(together[first, second], alone[first] * alone[second]).mean())


def _shares_together(documents: Corpus, words: NDArray[np.int64]) -> Array:
    """The share of the documents that have both words, for each pair of words, (W, W); single words on the diagonal."""
    shape = len(documents), len(documents.vocabulary)
    counts = csr_matrix((documents.counts.numpy(), documents.words.numpy(), documents.offsets.numpy()), shape)
    present = (counts[:, words] > 0).astype(np.float64)
    return (present.T @ present).toarray() / len(documents)


def _npmi(together: Array, independent: Array) -> Array:
    between = (together > 0) & (together < 1)
    npmi = np.where(together > 0, 1.0, -1.0)
    npmi[between] = np.log(together[between] / independent[between]) / -np.log(together[between])
    return npmi


def topic_diversity(topics: Array, number: int = DIVERSITY_WORDS) -> float:
    """The share of different words among the most probable words of all topics: 1 if no two topics have one in common.

    Args:
        topics: β, one topic per column, (V, K).
        number: N ≥ 1 of most probable words; topics over fewer words take all.

    Returns:
        A number from 1/K to 1.

    Source: Dieng, Ruiz & Blei (2020).
    """
    words = top_words(topics, number)
    return len(np.unique(words)) / words.size


def effective_topics(weights: Array) -> float:
    """exp(−Σ_k θ_k ln θ_k), the number of equally weighted topics with the same entropy; mean over documents.

    Args:
        weights: θ of each document, (D, K), with rows that sum to 1. The entropy is concave: samples of posteriors have fewer
            effective topics than the means of the same posteriors.

    Returns:
        A number from 1 to K.
    """
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return float(np.exp(-(weights * logs).sum(-1)).mean())
