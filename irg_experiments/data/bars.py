"""The bars corpus of Griffiths & Steyvers (2004): topics that can be seen, and a best perplexity that is known.

The 25 words are the pixels of a 5 × 5 image. Each of the 10 topics is uniform over one row or one column. A document is 100
words, drawn from topic weights θ ~ Dirichlet(1).
"""

import torch
from torch import Tensor
from torch.distributions import Dirichlet, Multinomial

from irg_experiments.data.bag_of_words import Corpus
from irg_experiments.data.splits import TopicData

SIDE = 5
WORDS_A_DOCUMENT = 100
PRIOR_CONCENTRATION = 1.0
GENERATOR_SEED = 2004


def load(num_train: int = 2000, num_test: int = 500) -> TopicData:
    """The corpus; the same at every call."""
    topics = bars_topics()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(GENERATOR_SEED)
        counts = _draw_documents(topics, num_train + num_test)
        best = exact_perplexity(counts[num_train:], topics)
    return TopicData(_corpus(counts[:num_train]), _corpus(counts[num_train:]), topics, best)


def bars_topics() -> Tensor:
    """The word probabilities of the topics, (25, 10): first the rows of the image, then its columns."""
    pixels = torch.arange(SIDE * SIDE)
    bars = torch.arange(SIDE)
    rows, columns = (pixels // SIDE)[:, None] == bars, (pixels % SIDE)[:, None] == bars
    return torch.cat([rows, columns], 1).float() / SIDE


def _draw_documents(topics: Tensor, number: int) -> Tensor:
    theta = Dirichlet(torch.full((topics.shape[1],), PRIOR_CONCENTRATION)).sample((number,))
    return Multinomial(WORDS_A_DOCUMENT, theta @ topics.T).sample()


def _corpus(counts: Tensor) -> Corpus:
    documents, words = counts.nonzero(as_tuple=True)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(documents, minlength=len(counts)).cumsum(0)])
    vocabulary = tuple(f"r{pixel // SIDE}c{pixel % SIDE}" for pixel in range(SIDE * SIDE))
    return Corpus(words, counts[documents, words], offsets, vocabulary)


def exact_perplexity(counts: Tensor, topics: Tensor, num_samples: int = 2000) -> float:
    """exp(mean over documents of −log p(w | topics, α) / N) of the model that generated them, its θ integrated out.

    The integral over θ is taken by importance sampling from the mean-field posterior of Blei et al. (2003), broadened a
    little so that the weights stay bounded; the estimate is unbiased for each p(w), and at 2,000 samples its error is a few
    parts in ten thousand.
    """
    prior = torch.full((topics.shape[1],), PRIOR_CONCENTRATION)
    proposal = Dirichlet(_mean_field(counts, topics, prior) * 0.9 + prior * 0.1)
    theta = proposal.sample((num_samples,))
    log_likelihood = (counts * (theta @ topics.T).log()).sum(-1)
    log_weight = log_likelihood + Dirichlet(prior).log_prob(theta) - proposal.log_prob(theta)
    log_evidence = log_weight.logsumexp(0) - torch.tensor(float(num_samples)).log()
    return (-log_evidence / counts.sum(-1)).mean().exp().item()


def _mean_field(counts: Tensor, topics: Tensor, prior: Tensor, iterations: int = 100) -> Tensor:
    """Concentrations of the mean-field posterior of each document: γ_k = α + Σ_w n_w φ_wk, φ_wk ∝ β_wk exp ψ(γ_k)."""
    gamma = prior + counts.sum(-1, keepdim=True) / len(prior)
    for _ in range(iterations):
        weight = gamma.digamma().exp()
        gamma = prior + weight * ((counts / (weight @ topics.T)) @ topics)
    return gamma
