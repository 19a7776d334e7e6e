"""LKJCholesky against torch's class and closed forms."""

import copy

import pytest
import scipy.stats
import torch
import torch.distributions as td

from irg_experiments.implicit.distributions.lkj_cholesky import LKJCholesky
from tests.statistics import DRAWS, assert_law, assert_mean, assert_same_law

CONCENTRATION = torch.tensor([0.4, 1.0, 7.0], dtype=torch.float64)


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_drop_in_for_torch(dim: int):
    ours, theirs = LKJCholesky(dim, CONCENTRATION, validate_args=True), td.LKJCholesky(dim, CONCENTRATION, validate_args=True)
    assert isinstance(ours, td.LKJCholesky)
    assert (ours.batch_shape, ours.event_shape, ours.support) == (theirs.batch_shape, theirs.event_shape, theirs.support)
    value = ours.sample((5,))
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value))
    if dim == 2:  # torch's draws of larger matrices do not follow its density: see the docstring
        first, second = ours.sample((4000,)), theirs.sample((4000,))
        for index in range(3):
            assert_same_law(first[:, index, 1, 0], second[:, index, 1, 0])
    assert ours.expand((2, 3)).rsample((4,)).shape == (4, 2, 3, dim, dim)
    assert copy.deepcopy(ours).dim == dim


def test_arguments_as_in_torch():
    assert LKJCholesky(3).concentration == 1.0
    assert LKJCholesky(3, 2.0).sample().shape == (3, 3)
    for family in (LKJCholesky, td.LKJCholesky):
        with pytest.raises(ValueError, match="dim"):
            family(1, 2.0)
    with pytest.raises(ValueError, match="different sizes"):
        td.kl_divergence(LKJCholesky(3), LKJCholesky(4))


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_moments(dim: int):
    q = LKJCholesky(dim, CONCENTRATION)
    draws = q.sample((DRAWS,))
    assert_mean(draws, q.mean)
    assert_mean((draws - q.mean).square(), q.variance)


@pytest.mark.parametrize("dim", [2, 5])
def test_every_correlation_has_the_same_law_and_gradient(dim: int):
    eta = torch.full((DRAWS,), 0.8, dtype=torch.float64, requires_grad=True)
    factor = LKJCholesky(dim, eta).rsample()
    correlation = factor @ factor.mT
    marginal = 0.8 + dim / 2 - 1
    for i in range(dim):
        for j in range(i):
            entry = correlation[:, i, j]
            assert_law(entry, scipy.stats.beta(marginal, marginal, loc=-1, scale=2).cdf)
            # E[ρ²] = 1/(2 η + d − 1), and a draw's derivative is its own
            (grad,) = torch.autograd.grad(entry.square().sum(), eta, retain_graph=True)
            assert_mean(grad, -2 / (2 * eta.detach()[0] + dim - 1) ** 2)
    torch.testing.assert_close(correlation.diagonal(dim1=-2, dim2=-1), torch.ones(DRAWS, dim, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_concentrations(dtype: torch.dtype):
    for value in (1e-4, 1e7):
        eta = torch.full((200,), value, dtype=dtype, requires_grad=True)
        factor = LKJCholesky(4, eta, validate_args=True).rsample()
        assert (factor.diagonal(dim1=-2, dim2=-1) > 0).all()
        assert LKJCholesky(4, eta).log_prob(factor.detach()).isfinite().all()
        (grad,) = torch.autograd.grad(factor.sum(), eta)
        assert grad.isfinite().all()
