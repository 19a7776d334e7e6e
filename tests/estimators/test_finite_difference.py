import pytest
import torch
import torch.distributions as td

from irg_experiments.estimators import FiniteDifference, supports
from irg_experiments.estimators.finite_difference import UNIVARIATE
from irg_experiments.implicit import Dirichlet, Gamma, StudentT, VonMises
from irg_experiments.implicit.special import log_gamma_sample_grad, von_mises_sample_grad
from tests.estimators.closed_forms import (
    DIRICHLETS,
    GAMMAS,
    NORMALS,
    THROUGH_GAMMAS,
    VON_MISES,
    Case,
    assert_follows_the_protocol,
    assert_unbiased,
    over,
)

MEDIAN = {torch.float64: 5e-11, torch.float32: 3e-5}
BIAS = {torch.float64: 5e-8, torch.float32: 5e-4}


@pytest.mark.parametrize("dtype", MEDIAN)
@pytest.mark.parametrize("a", [0.1, 0.3, 1.0, 20.0, 100.0])
def test_the_error_of_the_slope_of_the_gamma_is_as_documented(a: float, dtype: torch.dtype):
    shape = torch.full((20_000,), a, dtype=dtype)
    draw = FiniteDifference().draw_log_gamma(shape)
    value = draw.value.double()
    exact = log_gamma_sample_grad(shape.double(), value)
    error = draw.slope.double() / exact - 1
    assert error.abs().median() < MEDIAN[dtype]
    assert error.abs().max() > 1e-12  # it is an approximation
    for power in range(3):
        weight = (power * value).exp() * exact
        assert ((weight * error).sum() / weight.sum()).abs() < BIAS[dtype]


@pytest.mark.parametrize("dtype", MEDIAN)
@pytest.mark.parametrize("concentration", [1e-2, 0.3, 1.0, 5.0, 1000.0])
def test_the_error_of_the_slope_of_the_von_mises_is_as_documented(concentration: float, dtype: torch.dtype):
    kappa = torch.full((20_000,), concentration, dtype=dtype)
    draw = FiniteDifference().draw_angle(kappa)
    exact = von_mises_sample_grad(kappa.double(), draw.value.double())
    assert ((draw.slope - exact).abs() / exact.abs()).median() < MEDIAN[dtype]
    assert draw.slope.isfinite().all()


def test_no_concentration_at_all():
    # dz/dκ = −sin z at κ = 0
    draw = FiniteDifference().draw_angle(torch.zeros(100, dtype=torch.float64))
    torch.testing.assert_close(draw.slope, -draw.value.sin(), rtol=0, atol=1e-5)


@over([*THROUGH_GAMMAS, *VON_MISES, *NORMALS])
def test_gradients_within_the_documented_bias(case: Case):
    assert_unbiased(FiniteDifference(), case, 10_000, bias=1e-7)


@over([GAMMAS[0], DIRICHLETS[0], VON_MISES[0], NORMALS[1]])
def test_protocol(case: Case):
    assert_follows_the_protocol(FiniteDifference(), case)


@pytest.mark.parametrize("family", UNIVARIATE)
def test_every_univariate_family(family: type[td.Distribution]):
    # at a fixed sample, the exact derivative of the distribution function over the density
    parameters = [torch.full((50,), value, dtype=torch.float64, requires_grad=True) for value in (1.7, 0.6, 1.3)]
    parameters = parameters[: len(family.arg_constraints)]
    samples = []

    def f(z: torch.Tensor) -> torch.Tensor:
        samples.append(z.detach())
        return z

    q = family(*parameters)
    grads = torch.autograd.grad(FiniteDifference().expectation(f, q).sum(), parameters)
    z = samples[0][0]
    cdf = q.cdf(z)
    bulk = (cdf > 0.02) & (cdf < 0.98)
    for grad, truth in zip(grads, torch.autograd.grad(cdf.sum(), parameters), strict=True):
        torch.testing.assert_close(grad[bulk], (-truth / q.log_prob(z).exp().detach())[bulk], rtol=1e-7, atol=1e-8)


def test_families():
    assert all(supports(FiniteDifference(), family) for family in (Dirichlet, Gamma, VonMises, StudentT, td.Normal))
    assert not supports(FiniteDifference(), td.MultivariateNormal)
    assert not supports(FiniteDifference(), td.Bernoulli)
