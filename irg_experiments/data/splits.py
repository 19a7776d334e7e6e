"""What a topic model is trained and tested on."""

from dataclasses import dataclass

from torch import Tensor

from irg_experiments.data.bag_of_words import Corpus


@dataclass(frozen=True)
class TopicData:
    """Training and test documents; for a generated corpus, what generated them as well.

    Args:
        train, test: the corpora, over one vocabulary.
        topics: the true word probabilities, (V, K), where known.
        best_perplexity: the test perplexity of the true model, which no other can beat in expectation, where known.
    """

    train: Corpus
    test: Corpus
    topics: Tensor | None = None
    best_perplexity: float | None = None
