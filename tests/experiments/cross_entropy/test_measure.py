import math

import pytest
import torch
from torch import Tensor

from irg_experiments.errors import UserError
from irg_experiments.estimators import RSVI, Estimator, Implicit, MeasureValued, ScoreFunction
from irg_experiments.experiments.cross_entropy.measure import Curve, curves_of, one_sample_gradients
from irg_experiments.experiments.cross_entropy.sweeps import Sweep
from irg_experiments.implicit import special
from tests.experiments.cross_entropy.settings import dirichlet, von_mises
from tests.statistics import assert_below_threshold, assert_mean, seed

SWEEPS = [dirichlet(), von_mises()]


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_implicit_gradients_have_the_exact_mean_and_less_variance_than_rsvi(sweep: Sweep):
    gradients = one_sample_gradients(Implicit(), sweep, 2000)
    assert_mean(gradients, sweep.exact)
    assert gradients.var(0).sum() < one_sample_gradients(RSVI(), sweep, 2000).var(0).sum()


def von_mises_gradients(sweep: Sweep, z: Tensor) -> dict[str, Tensor]:
    """The gradient of each method as a function of the angle, shape (angles, points)."""
    kappa, leaf = sweep.values, z.clone().requires_grad_()
    loss = sweep.loss(leaf)
    (slope,) = torch.autograd.grad(loss.sum(), leaf)
    loss = loss.detach()
    score = z.cos() - torch.special.i1e(kappa) / torch.special.i0e(kappa)
    # the accepted proposal has dz/dκ = −sin(z)/R, R = √(1 + 4κ²); the correction term adds the rest
    root = torch.sqrt(1 + 4 * kappa**2)
    return {
        "implicit": slope * special.von_mises_sample_grad(kappa.expand_as(z).contiguous(), z),
        "score function": loss * score,
        "RSVI": -slope * z.sin() / root + loss * (score + (kappa * z.sin() ** 2 - z.cos()) / root),
    }


@pytest.mark.parametrize("estimator", [Implicit(), RSVI(), ScoreFunction()], ids=lambda estimator: estimator.label)
def test_von_mises_variances_by_integration(estimator: Estimator):
    """The variance of 40,000 gradients, whose standard error √((m₄ − m₂²)/n) is known by integration too.

    Tails grow with κ: at κ = 10 the standard error of RSVI's variance is a tenth of it, and far from normal.
    """
    sweep, number = von_mises(5, sweep=(0.1, 2.0)), 40_000
    # the rectangle rule converges exponentially fast on a circle
    z = (torch.arange(20_000, dtype=torch.float64) / 10_000 - 1).mul(math.pi).unsqueeze(-1).expand(-1, 5).contiguous()
    gradient = von_mises_gradients(sweep, z)[estimator.label_for(sweep.family)]
    weight = (sweep.values * (z.cos() - 1)).exp()
    weight /= weight.sum(0)
    mean = (weight * gradient).sum(0)
    torch.testing.assert_close(mean, sweep.exact, rtol=1e-9, atol=1e-11)
    second, fourth = ((weight * (gradient - mean) ** power).sum(0) for power in (2, 4))
    error = ((fourth - second**2) / number).sqrt()
    assert (error < 0.03 * second).all()
    curve = Curve(sweep, "", estimator, number)
    curve.add()
    assert_below_threshold((curve.variance() - second).abs() / error, "variance")


def test_statistics_of_a_curve_in_two_blocks():
    sweep = von_mises()
    curve = Curve(sweep, "implicit", Implicit(), 30)
    seed(0)
    curve.add()
    curve.add()
    seed(0)
    gradients = torch.cat([one_sample_gradients(Implicit(), sweep, 30) for _ in range(2)])
    assert curve.count == 60
    torch.testing.assert_close(curve.variance(), gradients.var(0))
    bias = gradients.mean(0) - sweep.exact
    torch.testing.assert_close(curve.z_score(), bias / (gradients.var(0) / 60).sqrt())
    pooled = bias.sum() / (gradients.var(0).sum() / 60).sqrt()
    assert curve.pooled_z_score() == pytest.approx(pooled.item(), rel=1e-6)


def test_methods_that_are_the_same_for_a_family_are_measured_once():
    estimators = [RSVI(augmentation=1), Implicit(), RSVI(augmentation=5), RSVI(augmentation=1), RSVI(correction=False)]
    gamma, angles = (curves_of(sweep, estimators, 2) for sweep in SWEEPS)
    assert [curve.label for curve in gamma] == ["RSVI, B = 1", "implicit", "RSVI, B = 5", "RSVI, B = 1, no correction"]
    assert [curve.label for curve in angles] == ["RSVI", "implicit", "RSVI, no correction"]
    assert [curve.is_reference for curve in angles] == [False, True, False]
    assert curves_of(SWEEPS[0], [MeasureValued()], 2) == []


def test_different_methods_of_one_label_are_refused():
    class Namesake(Implicit):
        """Another method that calls itself implicit."""

    with pytest.raises(UserError, match="same label, 'implicit'"):
        curves_of(SWEEPS[1], [Implicit(), Namesake()], 2)


def test_a_variance_that_is_not_finite_is_null_in_the_file_of_the_figure():
    class Diverging(Implicit):
        label = "diverging"

        def expectation(self, f, q, num_samples=1):
            return super().expectation(f, q, num_samples) * math.inf

    curve = Curve(SWEEPS[1], "diverging", Diverging(), 3)
    curve.add()
    assert set(curve.points()["variance"]) == {None}
    assert not math.isfinite(curve.metrics(None)["variance"])
