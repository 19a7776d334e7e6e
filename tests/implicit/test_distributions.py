"""Draws and pathwise gradients. A statistical test passes below |z| = 5: one false alarm in two million."""

import pytest
import scipy.stats
import torch
from torch import Tensor

from irg_experiments.implicit import Beta, Dirichlet, Gamma
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample

SHAPES = [1e-3, 1e-1, 1.0, 10.0, 1e4]
DRAWS = 20_000


def assert_mean(samples: Tensor, expected: float | Tensor) -> None:
    samples = samples.double()
    error = (samples.mean(0) - expected) / (samples.std(0) / len(samples) ** 0.5)
    assert error.abs().max() < 5, f"z-score {error.abs().max():.1f}"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_gamma_draws_follow_the_distribution(shape: float, dtype: torch.dtype):
    draws = log_gamma_rsample(torch.full((DRAWS,), shape, dtype=dtype))
    assert draws.isfinite().all()
    if shape < 1e4:  # there the values are closer together than float32 resolves
        assert len(draws.unique()) > 0.99 * DRAWS
    assert scipy.stats.kstest(draws.double().numpy(), scipy.stats.loggamma(shape).cdf).pvalue > 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_gamma_draws_follow_the_distribution(shape: float):
    draws = Gamma(torch.full((DRAWS,), shape, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)).sample()
    assert (draws > 0).all()
    if shape > 1e-3:  # below, most draws underflow even in float64
        assert scipy.stats.kstest(draws.numpy(), scipy.stats.gamma(shape, scale=0.5).cdf).pvalue > 1e-6


def test_gamma_cdf_equals_scipy_and_differentiates_in_its_parameters():
    concentration = torch.tensor([0.1, 1.0, 25.0], dtype=torch.float64, requires_grad=True)
    rate = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
    value = torch.tensor([0.01, 2.0, 50.0], dtype=torch.float64, requires_grad=True)
    expected = scipy.stats.gamma(concentration.detach(), scale=1 / rate.detach()).cdf(value.detach())
    torch.testing.assert_close(Gamma(concentration, rate).cdf(value).detach(), torch.tensor(expected), rtol=1e-12, atol=1e-13)
    assert torch.autograd.gradcheck(lambda a, r, x: Gamma(a, r).cdf(x), (concentration, rate, value), eps=1e-7)


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.1), (0.5, 2.0), (3.0, 1.0), (50.0, 30.0)])
def test_beta_draws_follow_the_distribution(a: float, b: float):
    draws = Beta(torch.full((DRAWS,), a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)).sample()
    assert scipy.stats.kstest(draws.numpy(), scipy.stats.beta(a, b).cdf).pvalue > 1e-6


def test_beta_with_tiny_shapes_sits_at_the_ends():
    draws = Beta(torch.full((DRAWS,), 1e-3), torch.tensor(1e-3)).sample()
    assert ((draws > 0) & (draws < 1)).all()
    inside = scipy.stats.beta(1e-3, 1e-3)
    assert_mean(((draws > 0.4) & (draws < 0.6)).float(), inside.cdf(0.6) - inside.cdf(0.4) + 1e-12)
    assert_mean((draws > 0.5).float(), 0.5)


def test_dirichlet_with_tiny_shapes_sits_in_the_corners():
    draws = Dirichlet(torch.full((DRAWS, 3), 1e-3)).sample()
    torch.testing.assert_close(draws.sum(-1), torch.ones(DRAWS))
    largest = draws.max(-1)
    assert (largest.values > 0.99).float().mean() > 0.98
    assert_mean(torch.nn.functional.one_hot(largest.indices).float(), 1 / 3)


@pytest.mark.parametrize("shape", [1e-3, 1e-1, 1.0, 10.0])
def test_log_gamma_gradient_of_the_mean(shape: float):
    # E[log z] = ψ(a), so its derivative is ψ′(a)
    concentration = torch.full((DRAWS,), shape, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(log_gamma_rsample(concentration).sum(), concentration)
    assert_mean(grad, torch.polygamma(1, torch.tensor(shape, dtype=torch.float64)))


@pytest.mark.parametrize("shape", [1e-2, 0.5, 1.0, 3.0, 100.0])
def test_gamma_gradients_of_moments(shape: float):
    # E[z] = a/r and E[z²] = a(a+1)/r²
    rate = 2.0
    for power, d_concentration in ((1, 1 / rate), (2, (2 * shape + 1) / rate**2)):
        concentration = torch.full((DRAWS,), shape, dtype=torch.float64, requires_grad=True)
        sample = Gamma(concentration, torch.tensor(rate, dtype=torch.float64)).rsample()
        (grad,) = torch.autograd.grad((sample**power).sum(), concentration)
        assert_mean(grad, d_concentration)


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.2), (0.5, 0.5), (2.0, 3.0), (40.0, 10.0)])
def test_beta_gradients_of_the_mean(a: float, b: float):
    # E[z] = a/(a+b)
    concentration1 = torch.full((DRAWS,), a, dtype=torch.float64, requires_grad=True)
    concentration0 = torch.full((DRAWS,), b, dtype=torch.float64, requires_grad=True)
    sample = Beta(concentration1, concentration0).rsample()
    grads = torch.autograd.grad(sample.sum(), (concentration1, concentration0))
    assert_mean(torch.stack(grads, -1), torch.tensor([b, -a], dtype=torch.float64) / (a + b) ** 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alpha", [(1e-3, 2e-3, 1e-3), (0.1, 0.5, 1.0), (3.0, 20.0, 7.0)])
def test_dirichlet_gradients_of_the_mean(alpha: tuple[float, ...], dtype: torch.dtype):
    # E[θ₀] = α₀/Σα; at α = 1e-3 the gradient is a rare event times 1e6, hence the many draws
    draws = 400_000 if alpha[0] < 0.01 else DRAWS
    concentration = torch.tensor(alpha, dtype=dtype).repeat(draws, 1).requires_grad_()
    (grad,) = torch.autograd.grad(Dirichlet(concentration).rsample()[:, 0].sum(), concentration)
    assert grad.isfinite().all()
    total = sum(alpha)
    expected = [(total - alpha[0]) / total**2, -alpha[0] / total**2, -alpha[0] / total**2]
    assert_mean(grad, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("family", [Gamma, Beta, Dirichlet])
def test_drop_in_for_torch(family: type[torch.distributions.Distribution]):
    parameters = (torch.rand(4, 3) + 0.5,) if family is Dirichlet else (torch.rand(4, 3) + 0.5, torch.rand(3) + 0.5)
    ours, theirs = family(*parameters), family.__bases__[0](*parameters)
    assert ours.rsample((5, 2)).shape == theirs.rsample((5, 2)).shape
    value = theirs.sample()
    for name in ("log_prob",):
        assert torch.equal(getattr(ours, name)(value), getattr(theirs, name)(value))
    assert torch.equal(ours.mean, theirs.mean)
    assert torch.equal(ours.entropy(), theirs.entropy())
    assert torch.allclose(torch.distributions.kl_divergence(ours, ours), torch.zeros(ours.batch_shape), atol=1e-5)
    expanded = ours.expand((2, *ours.batch_shape))
    assert type(expanded) is family
    assert expanded.rsample().shape == (2, *value.shape)
    with pytest.raises(ValueError, match="constraint"):
        family(*(-parameter for parameter in parameters), validate_args=True)


def test_the_seed_reproduces_draws():
    torch.manual_seed(3)
    first = Gamma(torch.full((5,), 0.3), 1.0).sample()
    torch.manual_seed(3)
    assert torch.equal(first, Gamma(torch.full((5,), 0.3), 1.0).sample())


def test_dirichlet_divergence_equals_torch():
    p, q = torch.rand(6, 5) * 3 + 0.1, torch.rand(5) * 3 + 0.1
    reference = torch.distributions.kl_divergence(torch.distributions.Dirichlet(p), torch.distributions.Dirichlet(q))
    torch.testing.assert_close(torch.distributions.kl_divergence(Dirichlet(p), Dirichlet(q)), reference, rtol=1e-4, atol=1e-5)
