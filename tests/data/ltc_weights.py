"""Random documents and their ltc weights."""

import numpy as np
from scipy.sparse import csr_matrix, diags

COLLECTION = 2_000
NUM_WORDS = 300


def random_counts(number: int, seed: int = 0) -> csr_matrix:
    """Documents of 2 to 60 distinct words by Zipf's law, most counts 1, some in the hundreds; each has a count of 1."""
    generator = np.random.default_rng(seed)
    popularity = 1 / np.arange(3, NUM_WORDS + 3)
    rows = []
    for _ in range(number):
        length = generator.integers(2, 60)
        words = generator.choice(NUM_WORDS, length, replace=False, p=popularity / popularity.sum())
        counts = np.minimum(generator.geometric(0.7, length), 9)
        counts[0] = generator.choice([1, 1, 1, 30, 400])
        counts[1] = 1
        rows.append((words, counts))
    offsets = np.cumsum([0] + [len(words) for words, _ in rows])
    words, counts = (np.concatenate(arrays) for arrays in zip(*rows, strict=True))
    matrix = csr_matrix((counts.astype(np.int32), words, offsets), (number, NUM_WORDS))
    matrix.sort_indices()
    return matrix


def ltc(counts: csr_matrix, held: np.ndarray | None = None, collection: int = COLLECTION) -> csr_matrix:
    """The weights as they are published: float32 of six decimals.

    Args:
        counts: documents × words.
        held: how many documents of the collection hold each word; by default nearly the share of ``counts``.
        collection: number of documents of the collection.
    """
    if held is None:
        frequency = np.bincount(counts.indices, minlength=counts.shape[1]) / counts.shape[0]
        wobble = 1 + 0.2 * np.sin(np.arange(counts.shape[1]))
        held = np.clip(np.rint(frequency * wobble * collection), 1, collection - 1)
    weights = counts.astype(float)
    weights.data = (1 + np.log(weights.data)) * np.log(collection / held)[weights.indices]
    norms = np.sqrt(np.asarray(weights.power(2).sum(1)).ravel())
    weights = csr_matrix(diags(1 / np.maximum(norms, 1e-300)) @ weights)
    weights.data = np.round(weights.data, 6).astype(np.float32)
    return weights
