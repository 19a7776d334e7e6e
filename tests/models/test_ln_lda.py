"""The logistic-normal model: its prior against the curvature of the Dirichlet density, and what it learns."""

from pathlib import Path

import pytest
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.data.bars import load
from irg_experiments.estimators import Explicit
from irg_experiments.models.ln_lda import LNLDA, laplace_approximation
from irg_experiments.training.optimizer import Adam
from tests.benchmarks.lda_step import zipf_corpus
from tests.options import build

CONCENTRATIONS = [[0.7, 0.7, 0.7], [0.02, 3.0, 0.4, 150.0], [5.0, 0.3]]


@pytest.mark.parametrize("values", CONCENTRATIONS, ids=str)
def test_the_prior_has_mode_and_curvature_of_the_dirichlet_distribution(values: list[float]):
    """On the plane Σ z = 0, the inverse of the negative Hessian is the pseudoinverse."""
    concentration = torch.tensor(values, dtype=torch.float64)

    def log_density(z: Tensor) -> Tensor:
        # the density of z is that of θ times the determinant ∏ θ, so that the exponents are α and not α − 1
        return (concentration * torch.log_softmax(z, -1)).sum()

    loc, scale = laplace_approximation(concentration)
    (gradient,) = torch.autograd.grad(log_density(loc.requires_grad_()), loc)
    hessian = torch.autograd.functional.hessian(log_density, loc.detach())
    covariance = torch.linalg.pinv(-hessian, rtol=1e-9, hermitian=True)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12 * concentration.max().item())
    assert loc.sum().abs() < 1e-12
    torch.testing.assert_close(scale.square(), covariance.diagonal(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("value", [1e-3, 0.7, 1e3])
def test_the_prior_is_that_of_the_concentrations_within_the_limits(value: float):
    model = LNLDA(40, 20, hidden=[4], prior_initial=value)
    prior = model.prior
    torch.testing.assert_close(prior.loc, torch.zeros(20))
    torch.testing.assert_close(prior.scale, torch.full((20,), ((1 - 1 / 20) / value) ** 0.5))
    prior.scale.sum().backward()
    assert model.prior_logits.grad is not None
    assert model.prior_logits.grad.isfinite().all()


def test_divergence_is_that_of_torch():
    model = build("model", "ln_lda", num_words=60, topics=4, hidden=[8])
    with torch.no_grad():
        model.prior_logits.copy_(torch.tensor([-3.0, 0.0, 1.0, 4.0]))
    x = zipf_corpus(60, 12, 10).slice(0, 10)
    q = model.posterior(x)

    expected = td.kl_divergence(*(td.Normal(it.loc, it.scale) for it in (q.base_dist, model.prior))).sum(-1)
    torch.testing.assert_close(model.kl(q), expected)


@pytest.mark.parametrize("outputs", [-1e4, 1e4])
def test_extreme_outputs_leave_bound_and_gradients_finite(outputs: float):
    model = LNLDA(30, 5, hidden=[8])
    with torch.no_grad():
        model.layers[-1].bias.copy_(torch.linspace(-outputs, outputs, 10))
    terms = model.elbo(zipf_corpus(30, 12, 6).slice(0, 6), Explicit().expectation)
    loss = (terms.kl - terms.log_likelihood).mean()
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, list(model.parameters())))


def test_one_topic_is_refused():
    with pytest.raises(ValueError, match=r"topics must be from 2 to 30, the number of words in the vocabulary, not 1\."):
        LNLDA(30, 1, hidden=[8])


def test_it_learns_the_bars():
    """With the same words in all topics the perplexity is 25, with those that made the documents 22.2."""
    data = load(Path(), 400, 100)
    model = build("model", "ln_lda", num_words=25, topics=10, hidden=[50])
    parameters = list(model.parameters())
    optimizer, test = Adam(parameters, 1e-2), data.test.slice(0, 100)
    for step in range(500):
        start = step % 10 * 40
        terms = model.elbo(data.train.slice(start, start + 40), Explicit().expectation)
        optimizer.update(torch.autograd.grad((terms.kl - terms.log_likelihood).mean(), parameters))
    terms = model.elbo(test)
    perplexity = ((terms.kl - terms.log_likelihood) / test.lengths).mean().exp().item()
    assert data.best_perplexity is not None
    assert data.best_perplexity < perplexity < 24.8
