import pytest
import torch

from irg_experiments.estimators import Knowles, supports
from irg_experiments.implicit import Dirichlet, Normal
from irg_experiments.implicit.special import log_gamma_sample_grad
from tests.estimators.closed_forms import (
    DIRICHLETS,
    GAMMAS,
    THROUGH_GAMMAS,
    Case,
    assert_follows_the_protocol,
    assert_unbiased,
    over,
)

SHAPES = [1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 20.0, 999.0, 1e4]


@pytest.mark.parametrize("a", SHAPES)
def test_the_error_of_the_slope_is_as_documented(a: float):
    shape = torch.full((10_000,), a, dtype=torch.float64)
    draw = Knowles().draw_log_gamma(shape)
    exact = log_gamma_sample_grad(shape, draw.value)
    error = draw.slope / exact - 1
    assert error.abs().max() < 1.5e-3
    assert error.abs().max() > 1e-9  # it is an approximation
    for power in range(3):
        weight = (power * draw.value).exp() * exact
        assert ((weight * error).sum() / weight.sum()).abs() < 1.5e-4


@pytest.mark.parametrize(("a", "bound"), [(1e-2, 0.2), (0.1, 3e-2), (1.0, 1e-3), (3.0, 3e-4), (999.0, 3e-4), (1e4, 1e-5)])
def test_float32(a: float, bound: float):
    shape = torch.full((50_000,), a)
    draw = Knowles().draw_log_gamma(shape)
    assert draw.slope.isfinite().all()
    value = draw.value.double()
    exact = log_gamma_sample_grad(shape.double(), value)
    for power in range(3):
        weight = (power * value).exp()
        assert abs((weight * (draw.slope - exact)).sum() / (weight * exact).sum()) < bound


@over(THROUGH_GAMMAS)
def test_gradients_within_the_documented_bias(case: Case):
    assert_unbiased(Knowles(), case, 10_000, bias=1e-3)


@over([GAMMAS[0], DIRICHLETS[0]])
def test_protocol(case: Case):
    assert_follows_the_protocol(Knowles(), case)


def test_families():
    assert supports(Knowles(), Dirichlet)
    assert not supports(Knowles(), Normal)
