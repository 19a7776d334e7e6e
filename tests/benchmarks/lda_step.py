"""One LDA training step against the plain dense eager formulation of the same model: `python -m tests.benchmarks.lda_step`.

Prints milliseconds per step and the ratio to this package, for the vocabulary size of 20 Newsgroups and for 10,000 words, and
the seconds in which 10,000 documents are scored. The dense formulation runs with torch's default Adam and its fused one; RSVI
is this package's. See ``turns`` for how they are timed; the median over the turns is printed.
"""

import argparse
import functools
import statistics
import time

import torch
from torch import Tensor, nn
from torch.distributions import Dirichlet, kl_divergence
from torch.nn.functional import softplus

from irg_experiments import implicit
from irg_experiments.data.bag_of_words import BagOfWords, Corpus
from irg_experiments.estimators import RSVI, Estimator, Implicit
from irg_experiments.experiments.lda.task import EVALUATION_BATCH
from irg_experiments.experiments.lda.updates import Updates, reads_few_rows
from irg_experiments.models.lda import LDA
from irg_experiments.training.row_adam import DENSE_STEPS
from tests.benchmarks.turns import Step, as_in_training, median_milliseconds

TOPICS, BATCH, STEPS_A_TURN = 50, 32, 30
DOCUMENTS_SCORED = 10_000


class DenseLDA(nn.Module):
    """The textbook formulation: dense counts, torch's Dirichlet, log(θ @ softmax(T)) over the whole vocabulary."""

    def __init__(self, num_words: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *[nn.Linear(num_words, 300), nn.ReLU(), nn.Linear(300, 300), nn.ReLU(), nn.Linear(300, 300), nn.ReLU()],
            nn.Linear(300, TOPICS),
        )
        self.topic_logits = nn.Parameter(torch.empty(TOPICS, num_words))
        self.prior_logits = nn.Parameter(torch.zeros(TOPICS))
        nn.init.xavier_normal_(self.topic_logits)

    def loss(self, counts: Tensor) -> Tensor:
        posterior = Dirichlet(softplus(self.encoder(counts)).clamp(1e-3, 1e3))
        prior = Dirichlet(softplus(self.prior_logits).clamp(1e-3, 1e3))
        word_probabilities = posterior.rsample() @ torch.softmax(self.topic_logits, -1)
        log_likelihood = (counts * word_probabilities.log()).sum(-1)
        return (kl_divergence(posterior, prior) - log_likelihood).mean()


def zipf_corpus(num_words: int, distinct_words: int, num_documents: int = 2048) -> Corpus:
    """Documents of a fixed number of distinct words, drawn without replacement by Zipf's law; counts 1 to 3."""
    weights = 1 / torch.arange(10, num_words + 10.0)
    words = torch.cat([torch.multinomial(weights, distinct_words) for _ in range(num_documents)])
    counts = torch.randint(1, 4, words.shape).float()
    offsets = torch.arange(num_documents + 1) * distinct_words
    return Corpus(words, counts, offsets, tuple(str(word) for word in range(num_words)))


def dense_step(corpus: Corpus, fused: bool | None) -> Step:
    """A step of the dense formulation. Its dense batches are made beforehand and are not part of the time."""
    model = DenseLDA(len(corpus.vocabulary))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4, fused=fused)
    batches = [dense_counts(batch, len(corpus.vocabulary)) for batch in corpus.batches(BATCH)]

    def step(index: int) -> None:
        optimizer.zero_grad()
        model.loss(batches[index % len(batches)]).backward()
        optimizer.step()

    return step


def dense_counts(batch: BagOfWords, num_words: int) -> Tensor:
    """The batch as a dense B × V matrix."""
    counts = torch.zeros(len(batch.offsets) - 1, num_words)
    counts[batch.documents, batch.words] = batch.counts
    return counts


def lda(num_words: int) -> LDA:
    """The model of the paper."""
    return LDA(num_words=num_words, topics=TOPICS, hidden=[300, 300, 300])


def sparse_step(corpus: Corpus, by_rows: bool, estimator: Estimator) -> Step:
    """A step of this package, including the selection of the batch."""
    as_in_training()
    model = lda(len(corpus.vocabulary))
    updates = Updates(model, estimator, 1, 3e-4, by_rows, True, torch.device("cpu"))
    for table in updates.tables.values():  # as after the steps that move all rows
        table.step = DENSE_STEPS
        table.updated.fill_(DENSE_STEPS)
    num_batches = len(corpus) // BATCH

    def step(index: int) -> None:
        start = index % num_batches * BATCH
        updates.step(corpus.slice(start, start + BATCH))

    return step


def variant(name: str, corpus: Corpus) -> Step:
    """The step of one of the variants."""
    implicit.set_compile("on")
    few_rows = reads_few_rows(corpus, BATCH)
    return {
        "dense, default Adam": lambda: dense_step(corpus, None),
        "dense, fused Adam": lambda: dense_step(corpus, True),
        "this package, Adam on all rows": lambda: sparse_step(corpus, False, Implicit()),
        "this package, Adam by rows": lambda: sparse_step(corpus, True, Implicit()),
        "this package, RSVI, B = 20": lambda: sparse_step(corpus, few_rows, RSVI(augmentation=20)),
        "this package": lambda: sparse_step(corpus, few_rows, Implicit()),
    }[name]()


def variant_of(name: str, num_words: int, distinct_words: int) -> Step:
    """The step of a variant, on the same corpus in every process."""
    return variant(name, zipf_corpus(num_words, distinct_words))


VARIANTS = (
    "dense, default Adam",
    "dense, fused Adam",
    "this package, Adam on all rows",
    "this package, Adam by rows",
    "this package, RSVI, B = 20",
    "this package",
)


def scoring_seconds(num_words: int, distinct_words: int, threads: int, repetitions: int = 3) -> float:
    """The median time in which documents are scored by one sample each, as a run's test set is."""
    torch.set_num_threads(threads)
    corpus = zipf_corpus(num_words, distinct_words, DOCUMENTS_SCORED)
    model = lda(num_words)
    times = []
    with torch.no_grad():
        for _ in range(repetitions):
            start = time.perf_counter()
            for batch in corpus.batches(EVALUATION_BATCH):
                model.elbo(batch)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=20)
    arguments = parser.parse_args()
    for num_words, distinct_words in ((1995, 57), (10_000, 75)):
        make = functools.partial(variant_of, num_words=num_words, distinct_words=distinct_words)
        times = median_milliseconds(make, VARIANTS, arguments.threads, STEPS_A_TURN, arguments.turns, warmup=2)
        print(f"V={num_words}, {distinct_words} distinct words per document, {arguments.threads} threads")
        for name, milliseconds in times.items():
            print(f"  {name:31s} {milliseconds:7.2f} ms  {milliseconds / times['this package']:5.2f}x")
        print(f"  {DOCUMENTS_SCORED} documents scored in {scoring_seconds(num_words, distinct_words, arguments.threads):.2f} s")


if __name__ == "__main__":
    main()
