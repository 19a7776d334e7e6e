import torch
from torch.distributions import Normal

from irg_experiments.estimators import Explicit, Implicit, supports
from irg_experiments.implicit import Dirichlet
from tests.statistics import assert_mean


def test_expectation_has_the_batch_shape_and_averages_over_samples():
    # 200 estimates, each the mean of 250 samples
    q = Dirichlet(torch.full((200, 3, 4), 2.0))
    estimate = Implicit().expectation(lambda theta: theta[..., 0], q, num_samples=250)
    assert estimate.shape == (200, 3)
    assert_mean(estimate, 0.25)
    # the standard deviation of θ₀ is 1/√48, so the mean of 250 has not that of a few
    assert estimate.std() < 2 * (48 * 250) ** -0.5


def test_gradient_reaches_the_distribution_and_what_f_closes_over():
    loc, weight = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    estimate = Explicit().expectation(lambda z: (weight * z).sum(-1, keepdim=True).expand(-1, 2), Normal(loc, 1.0))
    grad_loc, _ = torch.autograd.grad(estimate.sum(), (loc, weight))
    assert torch.equal(grad_loc, torch.full((2,), 2.0))


def test_each_method_knows_its_families():
    assert supports(Implicit(), Dirichlet)
    assert not supports(Explicit(), Dirichlet)
    assert supports(Explicit(), Normal)
