import pytest
import torch

from irg_experiments.estimators import Generalized, supports
from irg_experiments.implicit import Dirichlet, Normal, VonMises
from tests.estimators.closed_forms import (
    DIRICHLETS,
    GAMMAS,
    THROUGH_GAMMAS,
    Case,
    assert_follows_the_protocol,
    assert_unbiased,
    over,
)
from tests.statistics import assert_mean

DRAWS = 40_000


@over(THROUGH_GAMMAS)
def test_unbiased(case: Case):
    assert_unbiased(Generalized(), case, DRAWS)


@over([GAMMAS[0], DIRICHLETS[0]])
def test_protocol(case: Case):
    assert_follows_the_protocol(Generalized(), case)


@pytest.mark.parametrize("a", [0.05, 1.0, 40.0])
def test_slope_and_score_are_the_derivatives_of_the_formulas(a: float):
    draw = Generalized().draw_log_gamma(torch.full((5,), a, dtype=torch.float64))
    shape = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    mean, deviation = torch.digamma(shape), torch.polygamma(1, shape).sqrt()
    log_g = mean + deviation * ((draw.value - mean) / deviation).detach()
    # the density of log g, times d log g/dε
    log_ratio = shape * log_g - log_g.exp() - shape.lgamma() + deviation.log()
    assert draw.score is not None
    for i in range(5):
        slope, score = (torch.autograd.grad(x[i], shape, retain_graph=True)[0] for x in (log_g, log_ratio))
        torch.testing.assert_close(draw.slope[i], slope, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(draw.score[i], score, rtol=1e-9, atol=1e-11)


def test_tiny_shapes_in_float32():
    # E[log z] = ψ(a); z-score from 40,000 draws
    draw = Generalized().draw_log_gamma(torch.full((DRAWS,), 1e-3))
    assert draw.value.isfinite().all()
    assert draw.score is not None
    truth = torch.polygamma(1, torch.tensor(1e-3, dtype=torch.float64))
    assert_mean(draw.slope + draw.value * draw.score, truth)


def test_families():
    assert supports(Generalized(), Dirichlet)
    assert not supports(Generalized(), Normal)
    assert not supports(Generalized(), VonMises)
    with pytest.raises(NotImplementedError, match="von Mises"):
        Generalized().expectation(torch.cos, VonMises(0.0, 1.0))
