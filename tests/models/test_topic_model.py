"""What every topic model does, by one whose samples are topic weights and one whose samples are mapped to them."""

import pytest
import torch

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.estimators import Explicit, Implicit, supports
from irg_experiments.models.lda import LDA
from irg_experiments.models.ln_lda import LNLDA
from irg_experiments.models.topic_model import TopicModel
from tests.benchmarks.lda_step import zipf_corpus
from tests.statistics import seed

WORDS, TOPICS = 60, 4


def models() -> list[TopicModel]:
    seed(3)
    return [LDA(WORDS, TOPICS, hidden=[8]), LNLDA(WORDS, TOPICS, hidden=[8])]


def documents() -> BagOfWords:
    seed(4)
    return zipf_corpus(WORDS, 12, 10).slice(0, 10)


@pytest.mark.parametrize("index", range(2))
def test_shapes_and_sums(index: int):
    model, x = models()[index], documents()
    q = model.posterior(x)
    weights, mean = model.topic_weights(q.sample((3,))), model.mean_topic_weights(x)
    assert weights.shape == (3, 10, TOPICS)
    assert mean.shape == (10, TOPICS)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 10))
    torch.testing.assert_close(mean.sum(-1), torch.ones(10))
    torch.testing.assert_close(model.topics().sum(0), torch.ones(TOPICS))
    assert [terms.shape for terms in model.elbo(x)] == [(10,), (10,)]
    assert set(model.prior_parameters) <= {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("index", range(2))
def test_the_gradient_reaches_every_parameter(index: int):
    model, x = models()[index], documents()
    assert supports(Implicit, model.family)
    terms = model.elbo(x, Implicit().expectation, 2)
    gradients = torch.autograd.grad((terms.kl - terms.log_likelihood).sum(), list(model.parameters()))
    assert all(gradient.isfinite().all() and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("index", range(2))
def test_evaluation_samples_the_posterior(index: int):
    """The same draws as the package's sampler makes, and no gradient through them."""
    model, x = models()[index], documents()
    results = []
    for expectation in (None, Implicit().expectation):
        seed(5)
        results.append(model.elbo(x) if expectation is None else model.elbo(x, expectation))
    assert torch.equal(results[0].log_likelihood, results[1].log_likelihood)
    touched = torch.autograd.grad(results[0].log_likelihood.sum(), list(model.parameters()), allow_unused=True)
    with_gradient = {name for (name, _), grad in zip(model.named_parameters(), touched, strict=True) if grad is not None}
    assert with_gradient == {"topic_logits"}


def test_explicit_reparameterization_serves_the_logistic_normal():
    model, x = models()[1], documents()
    assert supports(Explicit(), model.family)
    assert not supports(Explicit(), LDA.family)
    assert model.elbo(x, Explicit().expectation).log_likelihood.requires_grad
