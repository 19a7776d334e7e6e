import math

import torch

from irg_experiments.experiments.cross_entropy.sweeps import multinomial_counts
from tests.experiments.cross_entropy.settings import dirichlet, von_mises


def test_the_counts_are_those_of_the_authors():
    counts = multinomial_counts(100, 100, 0)
    assert sum(counts) == 100
    assert counts[0] == 1  # the posterior's first concentration, printed as 2.0 in their notebook


def test_exact_von_mises_gradient_by_integration():
    sweep = von_mises()
    z = torch.linspace(-math.pi, math.pi, 4001, dtype=torch.float64).unsqueeze(-1)
    kappa = sweep.values.clone().requires_grad_()
    weight = (kappa * z.cos() - kappa).exp()
    mean = torch.trapezoid(weight * sweep.loss(z), dim=0) / torch.trapezoid(weight, dim=0)
    (gradient,) = torch.autograd.grad(mean.sum(), kappa)
    torch.testing.assert_close(gradient, sweep.exact, rtol=1e-8, atol=1e-10)


def test_exact_dirichlet_gradient_by_moments_of_log_theta():
    """E[log θ_k] = ψ(α_k) − ψ(Σα), and the loss is linear in log θ."""
    sweep = dirichlet()
    first = sweep.values.clone().requires_grad_()
    concentration = sweep.q(first).concentration
    log_theta = torch.digamma(concentration) - torch.digamma(concentration.sum(-1, keepdim=True))
    (gradient,) = torch.autograd.grad(sweep.loss(log_theta.exp()).sum(), first)
    torch.testing.assert_close(gradient, sweep.exact, rtol=1e-9, atol=1e-11)


def test_sweeps_have_the_points_and_the_dtype_that_are_asked_for():
    for sweep in (dirichlet(3, torch.float32), von_mises(3, torch.float32)):
        assert sweep.values.dtype == sweep.exact.dtype == torch.float32
        assert sweep.q(sweep.values).sample().dtype == torch.float32
    torch.testing.assert_close(dirichlet(3).values, torch.tensor([1.01, 2.005, 3.0]).double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(von_mises(4).values, torch.tensor([0.1, 1.0, 10.0, 100.0]).double(), rtol=1e-6, atol=0)
