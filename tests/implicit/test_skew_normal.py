"""Owen's T function and the two skewed normal distributions against mpmath and each other."""

import math

import mpmath as mp
import pytest
import torch

from irg_experiments import implicit
from irg_experiments.implicit import special
from tests.statistics import DRAWS, assert_law, assert_mean
from tests.truth.tables import table

PRECISIONS = [(torch.float32, 1e-7), (torch.float64, 4e-14)]


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_owens_t_and_the_short_tail_against_mpmath(dtype: torch.dtype, tolerance: float):
    h, a, t, tail = table("owens_t")
    h, a = h.to(dtype), a.to(dtype)
    for value, expected in ((special.owens_t(h, a), t), (special.skew_normal_cdf(a, -h), tail)):
        held = expected > torch.finfo(dtype).tiny
        assert ((value.double() - expected).abs() / expected)[held].max() < tolerance


def test_symmetries_and_edges_of_owens_t():
    h, a, t, _ = table("owens_t")
    torch.testing.assert_close(special.owens_t(-h, a), t)
    torch.testing.assert_close(special.owens_t(h, -a), -t)
    inf = torch.tensor(torch.inf)
    assert special.owens_t(torch.tensor([0.0, 0.0, 3.0]), torch.tensor([1.0, 0.0, 0.0])).tolist() == [0.125, 0, 0]
    torch.testing.assert_close(special.owens_t(torch.tensor(0.7), inf), 0.5 * special.ndtr(torch.tensor(-0.7)))
    assert special.owens_t(inf, torch.tensor(2.0)) == 0
    assert special.owens_t(torch.tensor(0.0), inf) == 0.25


def test_the_long_tail_of_the_skew_normal_distribution():
    h, a, t, tail = table("owens_t")
    torch.testing.assert_close(special.skew_normal_cdf(-a, -h), special.ndtr(-h) + 2 * t, rtol=1e-13, atol=0)
    torch.testing.assert_close(special.skew_normal_cdf(-a, h), 1 - tail, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 2e-15)])
def test_sample_derivatives_against_mpmath(dtype: torch.dtype, tolerance: float):
    parameter = torch.tensor([1e-3, 0.3, 1.0, 4.0, 200.0], dtype=dtype)[:, None]
    x = torch.tensor([-9.0, -2.0, -0.01, 0.0, 1e-3, 0.7, 6.0], dtype=dtype)
    for sign in (1, -1):
        value = special.skew_normal_sample_grad(sign * parameter, x)
        assert_relative(value, sign * parameter, x, skew_normal_derivative, tolerance)
    assert_relative(special.two_piece_normal_sample_grad(parameter, x), parameter, x, two_piece_derivative, tolerance)


def assert_relative(value: torch.Tensor, parameter: torch.Tensor, x: torch.Tensor, truth, tolerance: float) -> None:
    with mp.workdps(30):
        rows = [[truth(mp.mpf(p), mp.mpf(z)) for z in x.tolist()] for p in parameter[:, 0].tolist()]
        # an argument of e^w may be rounded: its error is that of w, absolutely
        expected = torch.tensor([[float(v) for v in row] for row in rows], dtype=torch.float64)
    held = expected > torch.finfo(value.dtype).tiny
    error = (value.double() - expected).abs() / expected
    assert (error / (1 + expected.log().abs()))[held].max() < tolerance


def skew_normal_derivative(alpha, x):
    return mp.npdf(alpha * x) / mp.ncdf(alpha * x) / (1 + alpha**2)


def two_piece_derivative(gamma, x):
    """−(∂F/∂γ)/p from the closed form of F by numerical differentiation."""
    if x < 0:

        def tail(g):
            return 2 * mp.ncdf(g * x) / (1 + g * g)
    else:

        def tail(g):
            return -2 * g * g * mp.ncdf(-x / g) / (1 + g * g)

    k = gamma if x < 0 else 1 / gamma
    density = 2 * mp.npdf(k * x) / (gamma + 1 / gamma)
    with mp.workdps(60):
        return -mp.diff(tail, gamma, h=gamma * mp.mpf("1e-20")) / density


def test_second_derivatives():
    alpha, x = torch.meshgrid(
        torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64),
        torch.tensor([-3.0, -0.5, 0.4, 2.5], dtype=torch.float64),
        indexing="ij",
    )
    alpha, x = alpha.clone().requires_grad_(), x.clone().requires_grad_()
    for function in (special.skew_normal_sample_grad, special.two_piece_normal_sample_grad):
        assert torch.autograd.gradcheck(function, (alpha, x), check_forward_ad=True)
    for function in (special.owens_t, special.skew_normal_cdf):
        assert torch.autograd.gradgradcheck(function, (alpha, x))


@pytest.mark.parametrize("value", [-3.0, 0.5, 6.0])
def test_the_implicit_gradient_is_the_conditional_mean_of_the_explicit_one(value: float):
    alpha = torch.full((DRAWS,), value, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(2, DRAWS, dtype=torch.float64)
    x = (alpha * noise[0].abs() + noise[1]) / (1 + alpha**2).sqrt()
    (explicit,) = torch.autograd.grad(x.sum(), alpha)
    x = x.detach()
    implicit_grad = special.skew_normal_sample_grad(value, x)
    for weight in (torch.ones_like(x), x, x.sin()):  # any function of x
        assert_mean(weight * (explicit - implicit_grad), 0.0)
    assert implicit_grad.var() < explicit.var()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_shapes(dtype: torch.dtype):
    shape = torch.tensor([-1e30, -1e3, 0.0, 1e3, 1e30], dtype=dtype, requires_grad=True)
    q = implicit.SkewNormal(torch.zeros(5, dtype=dtype), torch.ones(5, dtype=dtype), shape)
    sample = q.rsample((200,))
    (grad,) = torch.autograd.grad(sample.sum(), shape)
    assert grad.isfinite().all()
    for value in (q.cdf(sample), q.survival_function(sample), q.mean, q.variance):
        assert value.isfinite().all()
    assert_law(sample[:, 2], lambda z: special.ndtr(torch.as_tensor(z)).numpy())


def test_the_two_piece_normal_at_its_joint_and_beyond():
    q = implicit.TwoPieceNormal(*torch.tensor([1.0, 2.0, 1.5], dtype=torch.float64))
    probability = torch.tensor([1e-300, 1e-20, 0.1, 1 / (1 + 1.5**2), 0.5, 0.999], dtype=torch.float64)
    torch.testing.assert_close(q.cdf(q.icdf(probability)), probability, rtol=1e-12, atol=0)
    assert q.icdf(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist() == [-math.inf, math.inf]
    far = torch.tensor([-1e3, 1e3], dtype=torch.float64)
    assert q.log_cdf(far)[0].isfinite()
    assert q.log_survival_function(far)[1].isfinite()
    torch.testing.assert_close(q.log_cdf(far[:1]).exp() + q.survival_function(far[:1]), torch.ones(1).double())
    symmetric = implicit.TwoPieceNormal(torch.tensor(0.3), torch.tensor(2.0), torch.tensor(1.0))
    normal = implicit.Normal(torch.tensor(0.3), torch.tensor(2.0))
    z = torch.linspace(-8, 8, 9)
    for method in ("log_prob", "cdf", "survival_function", "log_cdf"):
        torch.testing.assert_close(getattr(symmetric, method)(z), getattr(normal, method)(z))
