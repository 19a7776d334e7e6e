from pathlib import Path

import torch

from irg_experiments.data import bars

ROOT = Path("unused")


def test_generated_corpus():
    data = bars.load(ROOT)
    assert (len(data.train), len(data.test)) == (2000, 500)
    assert torch.equal(data.train.slice(0, 2000).lengths, torch.full((2000,), 100.0))
    assert torch.equal(data.train.words, bars.load(ROOT).train.words)
    torch.testing.assert_close(data.topics.sum(0), torch.ones(10))
    # each document's own weights do better than the marginal model, uniform words do worse
    assert 20 < data.best_perplexity < 25
    assert data.image_side**2 == len(data.train.vocabulary)


def test_the_number_of_documents_is_an_option():
    data = bars.load(ROOT, num_train=5, num_test=3)
    assert (len(data.train), len(data.test)) == (5, 3)


def test_exact_perplexity_of_one_topic_is_its_closed_form():
    topic = torch.rand(25, 1)
    topic /= topic.sum()
    counts = torch.multinomial(topic[:, 0], 300, replacement=True).bincount(minlength=25).float()[None]
    expected = torch.exp(-(counts * topic[:, 0].log()).sum() / 300)
    torch.testing.assert_close(bars.exact_perplexity(counts, topic, 12), expected.item(), rtol=1e-5, atol=0)


def test_exact_perplexity_of_two_topics_agrees_with_quadrature():
    topics = torch.tensor([[0.7, 0.1], [0.2, 0.2], [0.1, 0.7]])
    counts = torch.tensor([[5.0, 3.0, 4.0]])
    weight = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000  # θ₀ is uniform under Dirichlet(1, 1)
    probabilities = weight[:, None] * topics[:, 0] + (1 - weight[:, None]) * topics[:, 1]
    evidence = (counts * probabilities.log()).sum(-1).exp().mean()
    # the weights are bounded: the standard error is 1e-4
    torch.testing.assert_close(bars.exact_perplexity(counts, topics, 30_000), (evidence ** (-1 / 12)).item(), rtol=1e-3, atol=0)
