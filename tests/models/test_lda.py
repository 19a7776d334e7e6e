from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Dirichlet as TorchDirichlet
from torch.distributions import kl_divergence
from torch.nn.functional import softplus

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.models.lda import LDA
from irg_experiments.training.compilation import loss_and_grad
from tests.benchmarks.lda_step import dense_counts, zipf_corpus
from tests.options import accepts, build


def at_the_mean(f: Callable[[Tensor], Tensor], q: TorchDirichlet, num_samples: int = 1) -> Tensor:
    """Stands in for an estimator, so that two formulations see the same θ."""
    return f(q.mean.expand(num_samples, *q.mean.shape)).mean(0)


def dense_loss(model: LDA, counts: Tensor) -> Tensor:
    """The textbook formulation with the same parameters."""
    h = torch.relu(counts @ model.word_weight + model.word_bias)
    for layer in model.layers[:-1]:
        h = torch.relu(h @ layer.weight.T + layer.bias)
    posterior = TorchDirichlet(softplus(model.layers[-1](h)).clamp(1e-3, 1e3))
    prior = TorchDirichlet(softplus(model.prior_logits).clamp(1e-3, 1e3))
    log_likelihood = (counts * (posterior.mean @ torch.softmax(model.topic_logits.T, -1)).log()).sum(-1)
    return (kl_divergence(posterior, prior) - log_likelihood).mean()


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.compiler)], ids=["eager", "compiled"])
def test_loss_and_gradients_equal_the_dense_formulation(compiled: bool):
    corpus = zipf_corpus(500, 40, 96)
    model = LDA(500, 12, hidden=[64, 64])
    parameters = list(model.parameters())

    def loss(batch: BagOfWords) -> Tensor:
        terms = model.elbo(batch, at_the_mean)
        return (terms.kl - terms.log_likelihood).mean()

    function = loss_and_grad(
        loss, parameters, compiled, torch.device("cpu"), varying=lambda batch: (*batch.entries, batch.present)
    )
    for batch in corpus.batches(32):
        value, gradients = function(batch)
        expected = dense_loss(model, dense_counts(batch, 500))
        torch.testing.assert_close(value, expected.detach(), rtol=1e-5, atol=0)
        for gradient, reference in zip(gradients, torch.autograd.grad(expected, parameters), strict=True):
            assert (gradient - reference).norm() <= 1e-5 * reference.norm()


def test_initial_model_is_the_one_of_the_paper():
    model = build("model", "lda", num_words=1995, topics=50)
    torch.testing.assert_close(model.prior.concentration, torch.full((50,), 0.7))
    assert [tuple(layer.weight.shape) for layer in model.layers] == [(300, 300), (300, 300), (50, 300)]
    torch.testing.assert_close(model.topics().sum(0), torch.ones(50))
    # Glorot normal: variance 2 / (fan in + fan out); 600,000 draws
    assert abs(model.word_weight.std().item() / (2 / 2295) ** 0.5 - 1) < 0.01


def test_concentrations_are_clipped():
    model = LDA(20, 3, hidden=[4])
    with torch.no_grad():
        model.prior_logits.copy_(torch.tensor([-100.0, 0.0, 1e6]))
    concentration = model.prior.concentration
    assert concentration.min().item() == pytest.approx(1e-3)
    assert concentration.max().item() == pytest.approx(1e3)


@pytest.mark.parametrize("value", [1e-3, 0.7, 20.0, 89.0, 1e3])
def test_the_prior_starts_at_the_given_value(value: float):
    model = LDA(20, 3, hidden=[4], prior_initial=value)
    torch.testing.assert_close(model.prior.concentration, torch.full((3,), value))


def test_an_initial_prior_outside_the_limits_is_refused():
    with pytest.raises(ValueError, match=r"within limits, 0\.01 to 10, not 11"):
        LDA(20, 3, hidden=[4], prior_initial=11.0, limits=(0.01, 10.0))


def test_options_without_meaning_are_refused():
    """By the annotations of the constructor."""
    bad: dict[str, list[Any]] = {
        "topics": [None, 0, 1.5, True],
        "hidden": [[], "abc", 5, [-1], [0], [1.5], None],
        "prior_initial": ["abc", float("nan"), 0, -1],
        "limits": [5, [1, 2, 3], [1], [float("nan"), 1], None, [1e3, 1e-3], [-1, 1], [0, 1e3], "abc"],
    }
    for option, values in bad.items():
        assert not [value for value in values if accepts(LDA, option, value)], option
    assert accepts(LDA, "limits", [1e-3, 1e3])
