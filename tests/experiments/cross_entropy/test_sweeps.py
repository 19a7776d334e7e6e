import math

import pytest
import scipy.stats
import torch

from irg_experiments.experiments.cross_entropy.config import VonMisesSettings
from irg_experiments.experiments.cross_entropy.sweeps import multinomial_counts, von_mises_sweeps
from tests.experiments.cross_entropy.settings import VON_MISES, dirichlet, von_mises


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
    torch.testing.assert_close(mean.detach(), sweep.mean, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(gradient, sweep.exact, rtol=1e-8, atol=1e-10)


def test_exact_dirichlet_gradient_by_moments_of_log_theta():
    """E[log θ_k] = ψ(α_k) − ψ(Σα), and the loss is linear in log θ."""
    sweep = dirichlet()
    first = sweep.values.clone().requires_grad_()
    concentration = sweep.q(first).concentration
    log_theta = torch.digamma(concentration) - torch.digamma(concentration.sum(-1, keepdim=True))
    loss = sweep.loss(log_theta.exp())
    torch.testing.assert_close(loss.detach(), sweep.mean, rtol=1e-9, atol=1e-9)
    (gradient,) = torch.autograd.grad(loss.sum(), first)
    torch.testing.assert_close(gradient, sweep.exact, rtol=1e-9, atol=1e-11)


def test_the_constant_of_the_joint_density_and_of_the_notebook():
    """log p(θ, x) at uniform θ by the densities of scipy, 686.8 − 100 ln 100; the notebook lacks −Σ ln x_k!."""
    counts, uniform = multinomial_counts(100, 100, 0), torch.full((100,), 0.01, dtype=torch.float64)
    joint = scipy.stats.multinomial.logpmf(counts, 100, uniform.numpy())
    joint += scipy.stats.dirichlet.logpdf(uniform.numpy(), torch.ones(100).double().numpy())
    factorials = sum(math.lgamma(count + 1) for count in counts)
    expected = {"joint": joint, "notebook": joint + factorials, "none": -100 * math.log(100)}
    for constant, log_p in expected.items():
        sweep = dirichlet(constant=constant)
        assert sweep.loss(uniform).item() == pytest.approx(-log_p, rel=1e-10)
        torch.testing.assert_close(sweep.exact, dirichlet().exact, rtol=0, atol=0)
    assert [round(expected[it] - expected["none"], 1) for it in ("joint", "notebook")] == [686.8, 722.9]


def test_a_sweep_per_concentration_of_p():
    settings = VonMisesSettings(**{**VON_MISES, "concentration": (1.0, 10.0)})
    first, second = von_mises_sweeps(settings, 3, torch.float64, torch.device("cpu"))
    assert (first.name, second.name) == ("von Mises, κp = 1", "von Mises, κp = 10")
    torch.testing.assert_close(10 * first.exact, second.exact)
    assert von_mises(concentration=[1.0]).name == von_mises().name == "von Mises"


def test_sweeps_have_the_points_and_the_dtype_that_are_asked_for():
    for sweep in (dirichlet(3, torch.float32), von_mises(3, torch.float32)):
        assert sweep.values.dtype == sweep.exact.dtype == torch.float32
        assert sweep.q(sweep.values).sample().dtype == torch.float32
    torch.testing.assert_close(dirichlet(3).values, torch.tensor([1.01, 2.005, 3.0]).double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(von_mises(4).values, torch.tensor([0.1, 1.0, 10.0, 100.0]).double(), rtol=1e-6, atol=0)
