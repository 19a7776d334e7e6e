import pytest
import torch

from irg_experiments.estimators import RSVI, Estimator, Implicit, supports
from irg_experiments.estimators.rsvi import _marsaglia_tsang, _normaliser_slope
from irg_experiments.implicit import Beta, Dirichlet, Gamma, Normal, VonMises
from tests.estimators.closed_forms import (
    DIRICHLETS,
    GAMMAS,
    THROUGH_GAMMAS,
    VON_MISES,
    Case,
    assert_follows_the_protocol,
    assert_unbiased,
    gradient_z_scores,
    over,
)
from tests.options import accepts
from tests.statistics import assert_mean

DRAWS = 40_000


@over(THROUGH_GAMMAS)
@pytest.mark.parametrize("augmentation", [0, 1, 5])
def test_unbiased_through_gammas(case: Case, augmentation: int):
    assert_unbiased(RSVI(augmentation), case, DRAWS)


@over(VON_MISES)
def test_unbiased_von_mises(case: Case):
    assert_unbiased(RSVI(), case, DRAWS)


@over([GAMMAS[5], DIRICHLETS[5], VON_MISES[2]])
def test_biased_without_the_correction(case: Case):
    assert gradient_z_scores(RSVI(0, correction=False), case, DRAWS).max() > 10


@over([GAMMAS[0], DIRICHLETS[0], VON_MISES[0]])
def test_protocol(case: Case):
    assert_follows_the_protocol(RSVI(), case)


@pytest.mark.parametrize("a", [0.7, 1.0, 3.0, 40.0])
def test_slope_and_score_are_the_derivatives_of_the_formulas(a: float):
    shape = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    noise = torch.tensor([-1.4, -0.3, 0.0, 0.8, 2.5], dtype=torch.float64)
    c = shape - 1 / 3
    v = 1 + noise / (3 * c.sqrt())
    g = c * v**3
    # log q(h) + log |∂h/∂ε|, with ∂h/∂ε = √c v²
    log_ratio = (shape - 1) * g.log() - g - shape.lgamma() + 0.5 * c.log() + 2 * v.log()
    slope, score = _marsaglia_tsang(shape.detach(), g.detach())
    for i in range(len(noise)):
        exact_slope, exact_score = (torch.autograd.grad(x[i], shape, retain_graph=True)[0] for x in (g.log(), log_ratio))
        torch.testing.assert_close(slope[i], exact_slope, rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(score[i], exact_score, rtol=1e-9, atol=1e-12)


def test_the_score_of_large_shapes_keeps_its_digits_in_float32():
    a = torch.full((10_000,), 1000.0, dtype=torch.float64)
    g = torch._standard_gamma(a).float().double()
    (_, exact), (_, rounded) = _marsaglia_tsang(a, g), _marsaglia_tsang(a.float(), g.float())
    assert exact.abs().mean() < 1e-6
    assert (rounded - exact).abs().max() < 1e-7
    edge = torch.tensor([29.999999999, 30.000000001], dtype=torch.float64)
    torch.testing.assert_close(*_normaliser_slope(edge), rtol=1e-9, atol=0)


def test_the_variance_of_the_cross_entropy_gradient_falls_with_augmentation():
    # the setting of Naesseth et al. 2017, smaller: q = Dirichlet(1 + x), x counts, first component near one
    counts = torch.tensor([0.5, 3, 12, 1, 0, 7, 20, 5, 2, 10], dtype=torch.float64)

    def variance(estimator: Estimator) -> float:
        alpha = (1 + counts).expand(10_000, -1).clone().requires_grad_()
        estimate = estimator.expectation(lambda theta: (theta.log() * counts).sum(-1), Dirichlet(alpha))
        (grad,) = torch.autograd.grad(estimate.sum(), alpha)
        return grad[:, 0].var().item()

    variances = [variance(RSVI(augmentation)) for augmentation in (0, 1, 3, 10)]
    implicit = variance(Implicit())
    assert variances[0] > 5 * variances[1] > 25 * variances[2] > 25 * variances[3]
    assert implicit < variances[3] < 2 * implicit


@pytest.mark.parametrize("augmentation", [0, 1, 5])
def test_tiny_shapes_in_float32(augmentation: int):
    # E[log z] = ψ(a), by the gradient of log θ₀ − log θ₁, which stays finite where θ underflows; z-scores from 40,000 draws
    draw = RSVI(augmentation).draw_log_gamma(torch.full((DRAWS,), 1e-3))
    assert draw.value.isfinite().all()
    assert draw.score is not None
    truth = torch.polygamma(1, torch.tensor(1e-3, dtype=torch.float64))
    assert_mean(draw.slope + draw.value * draw.score, truth)


def test_independent_batches_are_summed_over():
    # E[z₁ z₂] for two independent variables is the product of their means; 40,000 draws
    a = torch.tensor([0.4, 3.0], dtype=torch.float64)
    for family, mean, slope in ((Gamma, a, torch.ones(2)), (VonMises, None, None)):
        parameter = a.expand(DRAWS, 2).clone().requires_grad_()
        if family is Gamma:
            base, f = Gamma(parameter, torch.ones_like(parameter)), lambda z: z.prod(-1)
        else:
            base, f = VonMises(torch.zeros_like(parameter), parameter), lambda z: z.cos().prod(-1)
            mean = torch.special.i1(a) / torch.special.i0(a)
            slope = 1 - mean / a - mean**2
        estimate = RSVI().expectation(f, torch.distributions.Independent(base, 1), 1)
        assert estimate.shape == (DRAWS,)
        (grad,) = torch.autograd.grad(estimate.sum(), parameter)
        truth = slope * mean.flip(0)
        assert_mean(grad, truth)


def test_families_and_arguments():
    assert all(supports(RSVI(), family) for family in (Gamma, Beta, Dirichlet, VonMises))
    assert not supports(RSVI(), Normal)
    for value, accepted in ((0, True), (1000, True), (1001, False), (-1, False), (1e9, False), ("abc", False), (True, False)):
        assert accepts(RSVI, "augmentation", value) == accepted
    assert not accepts(RSVI, "correction", "maybe")
    with pytest.raises(NotImplementedError, match="Normal"):
        RSVI().expectation(lambda z: z, Normal(0.0, 1.0))
