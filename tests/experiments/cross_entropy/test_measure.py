import dataclasses
import math

import pytest
import torch
from torch import Tensor

from irg_experiments.errors import UserError
from irg_experiments.estimators import RSVI, Estimator, Implicit, MeasureValued, PathwiseOMT, ScoreFunction
from irg_experiments.experiments.cross_entropy.measure import (
    Curve,
    best_constant,
    curves_of,
    gradient_step,
    one_sample_gradients,
)
from irg_experiments.experiments.cross_entropy.sweeps import Sweep
from irg_experiments.implicit import special
from irg_experiments.training.compilation import allow_compilations
from tests.experiments.cross_entropy.settings import dirichlet, von_mises
from tests.statistics import assert_below_threshold, assert_mean, seed

SWEEPS = [dirichlet(), von_mises()]


def curve_of(sweep: Sweep, estimator: Estimator, replicates: int, subtracted: str = "nothing") -> Curve:
    (curve,) = curves_of(sweep, [estimator], replicates, [subtracted])
    return curve


def gradients_of(estimator: Estimator, sweep: Sweep, replicates: int) -> Tensor:
    return one_sample_gradients(gradient_step(estimator, sweep), sweep, replicates, torch.zeros_like(sweep.values))


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_implicit_gradients_have_the_exact_mean_and_less_variance_than_rsvi(sweep: Sweep):
    gradients = gradients_of(Implicit(), sweep, 2000)
    assert_mean(gradients, sweep.exact)
    assert gradients.var(0).sum() < gradients_of(RSVI(), sweep, 2000).var(0).sum()


def von_mises_gradients(sweep: Sweep, z: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """The gradient of each method as a function of the angle, and its score, both of shape (angles, points)."""
    kappa, leaf = sweep.values, z.clone().requires_grad_()
    loss = sweep.loss(leaf)
    (slope,) = torch.autograd.grad(loss.sum(), leaf)
    loss = loss.detach()
    score = z.cos() - torch.special.i1e(kappa) / torch.special.i0e(kappa)
    # the accepted proposal has dz/dκ = −sin(z)/R, R = √(1 + 4κ²); the correction term adds the rest
    root = torch.sqrt(1 + 4 * kappa**2)
    correction = score + (kappa * z.sin() ** 2 - z.cos()) / root
    return {
        "implicit": (slope * special.von_mises_sample_grad(kappa.expand_as(z).contiguous(), z), torch.zeros_like(z)),
        "score function": (loss * score, score),
        "RSVI": (-slope * z.sin() / root + loss * correction, correction),
    }


def on_the_circle(sweep: Sweep) -> tuple[Tensor, Tensor]:
    """Angles, and what each counts in a mean under q, both of shape (20000, points)."""
    # the rectangle rule converges exponentially fast on a circle
    z = (torch.arange(20_000, dtype=torch.float64) / 10_000 - 1).mul(math.pi).unsqueeze(-1)
    z = z.expand(-1, len(sweep.values)).contiguous()
    weight = (sweep.values * (z.cos() - 1)).exp()
    return z, weight / weight.sum(0)


def best_by_integration(sweep: Sweep, label: str) -> Tensor:
    """Cov(gradient, score) / Var(score)."""
    z, weight = on_the_circle(sweep)
    gradient, score = von_mises_gradients(sweep, z)[label]
    mean = (weight * gradient).sum(0)
    return (weight * (gradient - mean) * score).sum(0) / (weight * score.square()).sum(0)


@pytest.mark.parametrize(
    ("estimator", "subtracted"),
    [(Implicit(), "nothing"), *((it, subtracted) for it in (RSVI(), ScoreFunction()) for subtracted in ("nothing", "mean"))],
    ids=lambda it: it if isinstance(it, str) else it.label,
)
def test_von_mises_variances_by_integration(estimator: Estimator, subtracted: str):
    """The variance of 40,000 gradients, whose standard error √((m₄ − m₂²)/n) is known by integration too.

    Tails grow with κ: at κ = 10 the standard error of RSVI's variance is a tenth of it, and far from normal.
    """
    sweep, number = von_mises(5, sweep=(0.1, 2.0)), 40_000
    z, weight = on_the_circle(sweep)
    gradient, score = von_mises_gradients(sweep, z)[estimator.label_for(sweep.family)]
    if subtracted == "mean":
        gradient = gradient - sweep.mean * score
    mean = (weight * gradient).sum(0)
    torch.testing.assert_close(mean, sweep.exact, rtol=1e-9, atol=1e-10)
    second, fourth = ((weight * (gradient - mean) ** power).sum(0) for power in (2, 4))
    error = ((fourth - second**2) / number).sqrt()
    assert (error < 0.03 * second).all()
    curve = curve_of(sweep, estimator, number, subtracted)
    curve.begin(1)
    curve.add()
    assert_below_threshold((curve.variance() - second).abs() / error, "variance")


@pytest.mark.parametrize(("concentration", "as_it_is"), [(10.0, (0.51, 2.3, 4.3, 1.8, 1.0)), (1.0, (0.67, 6.5, 12, 7.6, 5.4))])
def test_the_ratios_of_the_page_by_integration(concentration: float, as_it_is: tuple[float, ...]):
    """RSVI's variance as multiples of the implicit gradient's at five κ: f as it is, centred, and with the best constant."""
    sweep = von_mises(5, loc=0.0, concentration=concentration)
    sweep = dataclasses.replace(sweep, values=torch.tensor([0.3, 1.0, 3.3, 10.0, 100.0], dtype=torch.float64))
    z, weight = on_the_circle(sweep)
    found = von_mises_gradients(sweep, z)

    def variance(label: str, constant: Tensor | float = 0.0) -> Tensor:
        gradient, score = found[label]
        gradient = gradient - constant * score
        return (weight * (gradient - (weight * gradient).sum(0)).square()).sum(0)

    for stated, ratio in (
        (as_it_is, variance("RSVI")),
        ((0.60, 1.1, 3.6, 1.7, 1.0), variance("RSVI", (weight * sweep.loss(z)).sum(0))),
        ((0.51, 0.14, 0.16, 0.23, 0.40), variance("RSVI", best_by_integration(sweep, "RSVI"))),
    ):
        torch.testing.assert_close(ratio / variance("implicit"), torch.tensor(stated).double(), rtol=0.05, atol=0)


@pytest.mark.parametrize("estimator", [RSVI(), ScoreFunction()], ids=lambda estimator: estimator.label)
def test_the_best_constant_is_that_of_integration(estimator: Estimator):
    """From 40,000 pairs: the error is that of a regression, √(Var(residual · s)/n)/E[s²], known by integration."""
    sweep, number = von_mises(5, sweep=(0.1, 2.0)), 40_000
    label = estimator.label_for(sweep.family)
    expected = best_by_integration(sweep, label)
    z, weight = on_the_circle(sweep)
    gradient, score = von_mises_gradients(sweep, z)[label]
    residual = (gradient - sweep.exact - expected * score) * score
    error = ((weight * residual.square()).sum(0) / number).sqrt() / (weight * score.square()).sum(0)
    found = best_constant(gradient_step(estimator, sweep), sweep, number // 4, 4)
    assert_below_threshold((found - expected).abs() / error, "best constant")


def test_what_is_subtracted_changes_the_variance_alone():
    """The score function on the Dirichlet: a hundred times less variance when f is centred; all means are exact."""
    curves = curves_of(SWEEPS[0], [Implicit(), ScoreFunction()], 500, ("nothing", "mean", "best"))
    assert [curve.label for curve in curves] == [
        "implicit",
        "score function",
        "score function, f centred",
        "score function, best constant",
    ]
    for curve in curves:
        curve.begin(2)
        curve.add()
        assert_below_threshold(curve.z_score().abs(), curve.label)
    _, plain, centred, best = (curve.variance().sum().item() for curve in curves)
    assert centred < 0.01 * plain
    assert best < 1.5 * centred
    assert [("constant" in curve.points(), curve.points()["subtracted"]) for curve in curves[1:]] == [
        (False, "nothing"),
        (True, "mean"),
        (True, "best"),
    ]


def test_estimators_of_their_own_baseline_have_one_curve():
    estimators = [RSVI(baseline="moving_average"), RSVI(correction=False), MeasureValued()]
    curves = curves_of(SWEEPS[1], estimators, 2, ("nothing", "mean"))
    assert [curve.subtracted for curve in curves] == ["nothing"] * 3


@pytest.mark.compiler
def test_each_sweep_has_a_moving_average_of_its_own():
    """Those of the Dirichlet's f would be hundreds of nats from the von Mises one's."""
    estimators = [RSVI(baseline="moving_average")]
    first, second = (curves_of(sweep, estimators, 2)[0] for sweep in SWEEPS)
    first.begin(1)
    assert first.estimator.state_dict()
    assert not second.estimator.state_dict()
    assert not estimators[0].state_dict()


def test_compiled_steps_compute_the_gradients_of_eager_ones(traced_only):
    """More of them than torch compiles of one function by default."""
    sweeps = dirichlet(2, components=2, trials=3), von_mises(3)
    own = [ScoreFunction("constant", constant=float(number)) for number in range(2)]

    def curves(compiled: bool) -> list[Curve]:
        estimators = [*own, ScoreFunction("moving_average"), PathwiseOMT(), RSVI(correction=False)]
        return [
            curve
            for replicates, sweep in enumerate(sweeps, start=3)
            for curve in curves_of(sweep, estimators, replicates, compiled=compiled)
        ]

    pairs = list(zip(curves(True), curves(False), strict=True))
    allow_compilations(20)
    for pair in pairs:
        for curve in pair:
            curve.begin(1)
    with torch.compiler.set_stance("fail_on_recompile"):  # what is timed compiles nothing
        for pair in pairs:
            for curve in pair:
                seed(1)
                curve.estimator.load_state_dict({"average": torch.tensor(2.0, dtype=torch.float64)})
                curve.add()
            torch.testing.assert_close(*(curve.square for curve in pair))


def test_statistics_of_a_curve_in_two_blocks():
    sweep = von_mises()
    curve = curve_of(sweep, Implicit(), 30)
    seed(0)
    curve.add()
    curve.add()
    seed(0)
    gradients = torch.cat([gradients_of(Implicit(), sweep, 30) for _ in range(2)])
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

    curve = curve_of(SWEEPS[1], Diverging(), 3)
    curve.add()
    assert set(curve.points()["variance"]) == {None}
    assert not math.isfinite(curve.metrics(None)["variance"])
