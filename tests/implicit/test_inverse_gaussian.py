"""The inverse Gaussian distribution against mpmath."""

import mpmath as mp
import pytest
import torch

from irg_experiments import implicit
from irg_experiments.implicit import special
from tests.truth.tables import table


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-7), (torch.float64, 1e-14)])
def test_the_derivative_against_mpmath(dtype: torch.dtype, tolerance: float):
    c, y, expected, *_ = table("inverse_gaussian")
    value = special.inverse_gaussian_sample_grad(c.to(dtype), y.to(dtype)).double()
    # it passes through 0 between the mode and the mean: relative to the sum of its two terms
    size = torch.maximum(expected.abs(), 2 * (y / c) * (y - 1).clamp(min=0) / (1 + y))
    assert ((value - expected).abs() / size).max() < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-7), (torch.float64, 5e-14)])
def test_both_tails_against_mpmath(dtype: torch.dtype, tolerance: float):
    c, y, _, *tails = table("inverse_gaussian")
    for function, expected in zip((special.inverse_gaussian_cdf, special.inverse_gaussian_sf), tails, strict=True):
        value = function(c.to(dtype), y.to(dtype)).double()
        assert ((value - expected).abs() / expected).max() < tolerance


def test_the_tails_do_not_overflow():
    c = torch.tensor([1e-100, 1e-30, 1e3, 1e30, 1e100], dtype=torch.float64)[:, None].requires_grad_()
    y = torch.tensor([0.0, 1e-100, 1.0, 1e100, torch.inf], dtype=torch.float64)
    for function in (special.inverse_gaussian_cdf, special.inverse_gaussian_sf):
        value = function(c, y)
        assert ((value >= 0) & (value <= 1)).all()
        (grad,) = torch.autograd.grad(value[:, 1:4].sum(), c)
        assert grad.isfinite().all()
        assert function(-c.detach(), y).isnan().all()
    assert special.inverse_gaussian_cdf(c, y)[:, 0].tolist() == [0] * 5
    assert special.inverse_gaussian_cdf(c, y)[:, -1].tolist() == [1] * 5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-7), (torch.float64, 1e-14)])
def test_the_exponential_integral_against_mpmath(dtype: torch.dtype, tolerance: float):
    x = torch.tensor([1e-30, 1e-3, 0.5, 1.0, 1.999, 2.0, 5.0, 40.0, 1e3, 1e6], dtype=dtype)
    with mp.workdps(30):
        expected = torch.tensor([float(mp.exp(v) * mp.e1(v)) for v in x.tolist()], dtype=torch.float64)
    assert ((special.exp1e(x).double() - expected).abs() / expected).max() < tolerance
    assert special.exp1e(torch.tensor(1e30)) == pytest.approx(1e-30)
    assert special.exp1e(torch.tensor(0.0)) == torch.inf
    assert special.exp1e(torch.tensor(-1.0)).isnan()


def test_second_derivatives():
    c, y, *_ = table("inverse_gaussian")
    chosen = (c > 1e-2) & (c < 1e3)
    c, y = c[chosen][:30].requires_grad_(), y[chosen][:30].requires_grad_()
    assert torch.autograd.gradcheck(special.inverse_gaussian_sample_grad, (c, y), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(special.inverse_gaussian_cdf, (c, y), atol=1e-4)


def test_second_derivatives_of_samples():
    # d²y/dc² at fixed F, against the difference of dy/dc along that path
    c = torch.tensor([0.3, 2.0, 50.0], dtype=torch.float64, requires_grad=True)
    y = implicit.InverseGaussian(torch.ones(3, dtype=torch.float64), c).rsample((20,))
    (first,) = torch.autograd.grad(y.sum(), c, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), c)
    step, point, value = 1e-5, c.detach(), y.detach()
    slope = special.inverse_gaussian_sample_grad(point, value)
    ends = []
    for sign in (-1, 1):
        middle = value + 0.5 * sign * step * slope
        there = value + sign * step * special.inverse_gaussian_sample_grad(point + 0.5 * sign * step, middle)
        ends.append(special.inverse_gaussian_sample_grad(point + sign * step, there))
    torch.testing.assert_close(second, ((ends[1] - ends[0]) / (2 * step)).sum(0), rtol=1e-6, atol=1e-8)


def test_far_tails_of_the_distribution():
    q = implicit.InverseGaussian(torch.tensor(2.0).double(), torch.tensor(3.0).double())
    value = torch.tensor([1e-3, 1e-2, 50.0, 300.0], dtype=torch.float64)
    with mp.workdps(120):
        expected = []
        for z in value.tolist():
            root, other = mp.sqrt(mp.mpf(3) / z), mp.exp(3)
            cdf = mp.ncdf(root * (mp.mpf(z) / 2 - 1)) + other * mp.ncdf(-root * (mp.mpf(z) / 2 + 1))
            expected.append(float(min(cdf, 1 - cdf)))
    ours = torch.cat([q.cdf(value[:2]), q.survival_function(value[2:])])
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64), rtol=1e-11, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extremes_give_no_nan(dtype: torch.dtype):
    limits = (1e-10, 1.0, 1e10)
    loc, concentration = torch.tensor([(m, c) for m in limits for c in limits], dtype=dtype).T.requires_grad_()
    q = implicit.InverseGaussian(loc, concentration)
    sample = q.rsample((200,))
    assert ((sample > 0) & sample.isfinite()).all()
    for grad in torch.autograd.grad(sample.sum(), (loc, concentration)):
        assert not grad.isnan().any()
    for value in (q.log_prob(sample.detach()), q.cdf(sample), q.survival_function(sample)):
        assert not value.isnan().any()
