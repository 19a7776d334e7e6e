"""The bars corpus (Griffiths & Steyvers 2004), generated, with known topics and a known best perplexity.

The 25 words are the pixels of a 5 × 5 image. Each of the 10 topics is uniform over one row or one column. A document has 100
words, whose topics are drawn with weights θ ~ Dirichlet(1).
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.distributions import Dirichlet, Multinomial

from irg_experiments.config.types import Count
from irg_experiments.data.bag_of_words import Corpus, TopicData

SIDE = 5
WORDS_PER_DOCUMENT = 100
PRIOR_CONCENTRATION = 1.0
GENERATOR_SEED = 2004


def load(root: Path, num_train: Count = 2000, num_test: Count = 500) -> TopicData:
    """The corpus, generated with a fixed seed: equal arguments give equal corpora.

    Args:
        root: ignored, since the corpus is generated.
        num_train: number of training documents.
        num_test: number of test documents.
    """
    topics = bars_topics()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(GENERATOR_SEED)
        counts = _draw_documents(topics, num_train + num_test)
        best = exact_perplexity(counts[num_train:], topics)
    return TopicData(_corpus(counts[:num_train]), _corpus(counts[num_train:]), topics, best, SIDE)


def bars_topics() -> Tensor:
    """Word probabilities of the topics, shape (25, 10): first the rows of the image, then its columns."""
    pixels = torch.arange(SIDE * SIDE)
    bars = torch.arange(SIDE)
    rows, columns = (pixels // SIDE)[:, None] == bars, (pixels % SIDE)[:, None] == bars
    return torch.cat([rows, columns], 1).float() / SIDE


def _draw_documents(topics: Tensor, number: int) -> Tensor:
    theta = Dirichlet(torch.full((topics.shape[1],), PRIOR_CONCENTRATION)).sample((number,))
    return Multinomial(WORDS_PER_DOCUMENT, theta @ topics.T).sample()


def _corpus(counts: Tensor) -> Corpus:
    documents, words = counts.nonzero(as_tuple=True)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(documents, minlength=len(counts)).cumsum(0)])
    vocabulary = tuple(f"r{pixel // SIDE}c{pixel % SIDE}" for pixel in range(SIDE * SIDE))
    return Corpus(words, counts[documents, words], offsets, vocabulary)


def exact_perplexity(counts: Tensor, topics: Tensor, num_samples: int = 2000) -> float:
    """Perplexity of the model that generated the documents: exp(mean over documents of −log p(w | topics, α) / N).

    p(w) integrates over θ by importance sampling. The proposal is the mean-field posterior of Blei et al. (2003) with its
    concentrations γ replaced by 0.9 γ + 0.1 α, which is slightly broader and keeps the importance weights bounded.

    Args:
        counts: (D, V) word counts of the documents.
        topics: (V, K) word probabilities of the topics.
        num_samples: samples of θ per document.

    Returns:
        An estimate that is unbiased for each p(w), with a relative error of a few parts in 10,000 at 2,000 samples.
    """
    prior = torch.full((topics.shape[1],), PRIOR_CONCENTRATION)
    proposal = Dirichlet(_mean_field(counts, topics, prior) * 0.9 + prior * 0.1)
    theta = proposal.sample((num_samples,))
    log_likelihood = (counts * (theta @ topics.T).log()).sum(-1)
    log_weight = log_likelihood + Dirichlet(prior).log_prob(theta) - proposal.log_prob(theta)
    log_evidence = log_weight.logsumexp(0) - torch.tensor(float(num_samples)).log()
    return (-log_evidence / counts.sum(-1)).mean().exp().item()


def _mean_field(counts: Tensor, topics: Tensor, prior: Tensor, iterations: int = 100) -> Tensor:
    """Concentrations of each document's mean-field posterior: γ_k = α + Σ_w n_w φ_wk, φ_wk ∝ β_wk exp ψ(γ_k)."""
    gamma = prior + counts.sum(-1, keepdim=True) / len(prior)
    for _ in range(iterations):
        weight = gamma.digamma().exp()
        gamma = prior + weight * ((counts / (weight @ topics.T)) @ topics)
    return gamma
