"""The density of a detached distribution has the gradient through the sample alone."""

import pytest
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments import implicit
from tests.implicit.registry import REGISTRY, Row
from tests.statistics import assert_mean

COMPOSED = {
    "Independent": lambda p: td.Independent(implicit.Gamma(p, 2 * p), 1),
    "LogNormal": lambda p: td.LogNormal(p, p),
    "transformed": lambda p: td.TransformedDistribution(implicit.Gamma(p, p), td.AffineTransform(p, 2 * p, cache_size=1)),
    "inverse transform": lambda p: td.TransformedDistribution(implicit.Gamma(p, p), td.AffineTransform(p, 2 * p).inv),
    "product of transforms": lambda p: td.TransformedDistribution(
        implicit.Gamma(p, p), td.ComposeTransform([td.ExpTransform(), td.AffineTransform(p, 2 * p)])
    ),
    "MultivariateNormal": lambda p: td.MultivariateNormal(p, torch.diag(p)),
    "Truncated": lambda p: implicit.Truncated(implicit.Gamma(p, p), p / 2, 3 * p),
}


def assert_only_the_sample_carries_a_gradient(q: td.Distribution, parameters: list[Tensor]) -> None:
    z = q.sample().clone().requires_grad_()  # a transform knows the original
    stopped = implicit.detached(q)
    assert type(stopped) is type(q)
    found, expected = stopped.log_prob(z), q.log_prob(z)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(it.sum(), z, retain_graph=True)[0] for it in (found, expected)))
    assert all(it is None for it in torch.autograd.grad(found.sum(), parameters, allow_unused=True))
    # q itself is as before
    assert any(it is not None for it in torch.autograd.grad(q.log_prob(z.detach()).sum(), parameters, allow_unused=True))


@pytest.mark.parametrize("row", REGISTRY.values(), ids=REGISTRY)
def test_every_distribution(row: Row):
    parameters = [p.requires_grad_() for p in row.parameters()]
    assert_only_the_sample_carries_a_gradient(row.make(*parameters), parameters)


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_distributions(name: str):
    p = torch.tensor([0.8, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    q = COMPOSED[name](p)
    q.rsample()  # a transform may cache it
    assert_only_the_sample_carries_a_gradient(q, [p])


def elbo_gradients(stick: bool, concentration: float) -> Tensor:
    """One-sample gradients for the posterior Gamma(4, 3) of a normalised density, 20,000 draws."""
    p = implicit.Gamma(torch.tensor(4.0, dtype=torch.float64), 3.0)
    a = torch.full((20_000,), concentration, dtype=torch.float64, requires_grad=True)
    q = implicit.Gamma(a, torch.full_like(a, 3.0))
    z = q.rsample()
    (grad,) = torch.autograd.grad((p.log_prob(z) - (implicit.detached(q) if stick else q).log_prob(z)).sum(), a)
    return grad


def test_the_gradient_of_a_bound_stays_and_vanishes_at_the_posterior():
    a = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    divergence = td.kl_divergence(implicit.Gamma(a, torch.tensor(3.0)), implicit.Gamma(torch.tensor(4.0), torch.tensor(3.0)))
    (expected,) = torch.autograd.grad(-divergence, a)
    for stick in (False, True):
        assert_mean(elbo_gradients(stick, 2.5), expected.item())
    assert elbo_gradients(True, 4.0).abs().max() < 1e-12
    assert elbo_gradients(False, 4.0).std() > 0.1
