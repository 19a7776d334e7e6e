import torch
from torch.distributions import Normal

from irg_experiments.config import choices
from irg_experiments.estimators import ESTIMATORS, Explicit, Implicit, supports
from irg_experiments.implicit import Dirichlet


def test_expectation_has_the_batch_shape_and_averages_over_samples():
    q = Dirichlet(torch.full((3, 4), 2.0))
    estimate = Implicit().expectation(lambda theta: theta[..., 0], q, num_samples=50_000)
    assert estimate.shape == (3,)
    # the standard deviation of θ₀ is 0.14, of the mean 6e-4
    torch.testing.assert_close(estimate, torch.full((3,), 0.25), atol=5 * 6.2e-4, rtol=0)


def test_gradient_reaches_the_distribution_and_what_f_closes_over():
    loc, weight = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    estimate = Explicit().expectation(lambda z: (weight * z).sum(-1, keepdim=True).expand(-1, 2), Normal(loc, 1.0))
    grad_loc, _ = torch.autograd.grad(estimate.sum(), (loc, weight))
    assert torch.equal(grad_loc, torch.full((2,), 2.0))


def test_each_method_knows_its_families():
    assert supports(Implicit(), Dirichlet)
    assert not supports(Explicit(), Dirichlet)
    assert supports(Explicit(), Normal)
    assert sorted([*ESTIMATORS, "all"]) == choices("method")
