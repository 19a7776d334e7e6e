"""What is particular to distributions made of Gammas: tiny shapes, and the ways to a Dirichlet's gradient."""

import pytest
import scipy.stats
import torch

from irg_experiments.implicit import Beta, Dirichlet
from tests.statistics import DRAWS, assert_mean


def test_beta_with_tiny_shapes_sits_at_the_ends():
    draws = Beta(torch.full((DRAWS,), 1e-3), torch.tensor(1e-3)).sample()
    assert ((draws > 0) & (draws < 1)).all()
    inside = scipy.stats.beta(1e-3, 1e-3)
    assert_mean(((draws > 0.4) & (draws < 0.6)).float(), inside.cdf(0.6) - inside.cdf(0.4))
    assert_mean((draws > 0.5).float(), 0.5)


def test_dirichlet_with_tiny_shapes_sits_in_the_corners():
    draws = Dirichlet(torch.full((DRAWS, 3), 1e-3)).sample()
    torch.testing.assert_close(draws.sum(-1), torch.ones(DRAWS))
    largest = draws.max(-1)
    assert (largest.values > 0.99).float().mean() > 0.98
    assert_mean(torch.nn.functional.one_hot(largest.indices, 3).float(), 1 / 3)


def test_gradients_of_tiny_shapes_are_finite_and_right_in_float32():
    concentration = torch.full((DRAWS, 4), 1e-3, requires_grad=True)
    theta = Dirichlet(concentration).rsample()
    (grad,) = torch.autograd.grad(theta[:, 0].sum(), concentration)
    assert grad.isfinite().all()
    # E[θ₀] = α₀/Σα: its derivatives are 3/(16 a) and −1/(16 a) for four equal shapes a
    exact = torch.tensor([3.0, -1.0, -1.0, -1.0]).double() / (16 * 1e-3)
    assert_mean(grad, exact)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dirichlet_components_that_underflow_keep_the_derivative_of_their_logarithm(dtype: torch.dtype):
    """By the fused sampler, the composed one and forward mode, at α = 0.01, where most components underflow in float32."""
    alpha = torch.full((100, 10), 0.01, dtype=dtype)

    def logarithms(alpha: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return Dirichlet(alpha, validate_args=False).rsample().log().sum()

    fused = torch.autograd.grad(logarithms(alpha.requires_grad_()), alpha)[0]
    alpha = alpha.detach()
    theta = Dirichlet(alpha).sample()
    assert (theta >= torch.finfo(dtype).tiny).all()
    assert (theta < 2 * torch.finfo(dtype).tiny).any() == (dtype == torch.float32)
    torch.testing.assert_close(torch.func.grad(logarithms)(alpha), fused, rtol=1e-4, atol=1e-4)
    _, tangent = torch.func.jvp(logarithms, (alpha,), (torch.ones_like(alpha),))
    torch.testing.assert_close(tangent, fused.sum(), rtol=1e-4, atol=1e-4)
