"""The power spherical distribution in several dimensions."""

import math

import pytest
import scipy.integrate
import scipy.stats
import torch
import torch.distributions as td

from irg_experiments.implicit.distributions.hyperspherical_uniform import HypersphericalUniform, uniform_direction
from irg_experiments.implicit.distributions.power_spherical import PowerSpherical
from tests.statistics import DRAWS, assert_law, assert_mean


def direction(dimension: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return uniform_direction((dimension,), torch.zeros((), dtype=dtype))


@pytest.mark.parametrize("dimension", [2, 3, 5, 50])
@pytest.mark.parametrize("concentration", [0.0, 0.7, 30.0, 1e4])
def test_draws_and_moments(dimension: int, concentration: float):
    loc = direction(dimension)
    q = PowerSpherical(loc, torch.tensor(concentration, dtype=torch.float64), validate_args=True)
    draws = q.sample((DRAWS,))
    beta = (dimension - 1) / 2
    half_square = 0.25 * (draws - loc).square().sum(-1)  # sin²(θ/2), which keeps its digits for large κ
    assert_law(half_square, scipy.stats.beta(beta, beta + concentration).cdf)
    assert_mean(draws, q.mean)
    assert_mean((draws - q.mean).square(), q.variance)
    assert_mean(-q.log_prob(draws), q.entropy())


def test_the_density_integrates_to_one():
    loc = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for concentration in (0.3, 5.0):
        q = PowerSpherical(loc, concentration)

        def density(angle: float, q: PowerSpherical = q) -> float:
            angle = torch.tensor(angle, dtype=torch.float64)
            return q.log_prob(torch.stack([angle.cos(), angle.sin()])).exp().item()

        assert abs(2 * scipy.integrate.quad(density, 0, torch.pi)[0] - 1) < 1e-9


@pytest.mark.parametrize("dimension", [2, 4])
def test_gradient_in_the_concentration(dimension: int):
    # E[<loc, z>] = κ/(κ + d − 1) and E[ln((1 + <loc, z>)/2)] = ψ(α) − ψ(α + β)
    kappa = torch.full((DRAWS,), 2.5, dtype=torch.float64, requires_grad=True)
    loc = direction(dimension)
    projection = PowerSpherical(loc.expand(DRAWS, dimension), kappa).rsample() @ loc
    one = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    alpha, beta = one + (dimension - 1) / 2, (dimension - 1) / 2
    for function, expected in (
        (projection, one / (one + dimension - 1)),
        ((0.5 + 0.5 * projection).log(), alpha.digamma() - (alpha + beta).digamma()),
    ):
        (grad,) = torch.autograd.grad(function.sum(), kappa, retain_graph=True)
        (exact,) = torch.autograd.grad(expected, one, retain_graph=True)
        assert_mean(grad, exact)


def test_divergence_from_the_uniform_distribution():
    p = PowerSpherical(direction(4), torch.tensor([0.0, 2.0, 80.0], dtype=torch.float64))
    q = HypersphericalUniform(4, dtype=torch.float64)
    divergence = td.kl_divergence(p, q)
    assert abs(divergence[0]) < 1e-14
    draws = p.sample((DRAWS,))
    assert_mean((p.log_prob(draws) - q.log_prob(draws))[:, 1:], divergence[1:])
    with pytest.raises(ValueError, match="different dimensions"):
        td.kl_divergence(p, HypersphericalUniform(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_concentrations(dtype: torch.dtype):
    kappa = torch.tensor([0.0, 1e-10, 1e5, 1e12], dtype=dtype, requires_grad=True)
    q = PowerSpherical(direction(3, dtype), kappa, validate_args=True)
    sample = q.rsample((500,))
    (grad,) = torch.autograd.grad(sample.sum(), kappa)
    assert grad.isfinite().all()
    for value in (q.log_prob(sample.detach()), q.entropy(), q.mean, q.variance):
        assert value.isfinite().all()
    with pytest.raises(ValueError, match="at least 2 coordinates"):
        PowerSpherical(torch.tensor(1.0), kappa)


@pytest.mark.parametrize("concentration", [10.0, 1e10, 1e20])
def test_density_and_entropy_of_concentrated_distributions(concentration: float):
    """In three dimensions 1/C = 4π 2^κ/(κ + 1), and the entropy is 1 + ln(4π) − ln(κ + 1) − 1/(κ + 1)."""
    q = PowerSpherical(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), concentration)
    peak = math.log1p(concentration) - math.log(4 * math.pi)
    torch.testing.assert_close(q.log_prob(q.loc).item(), peak, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(q.entropy().item(), 1 - peak - 1 / (1 + concentration), rtol=1e-14, atol=1e-14)
