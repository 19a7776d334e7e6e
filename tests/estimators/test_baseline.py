"""Baselines of every estimator that has one: they change the variance alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from irg_experiments.estimators import RSVI, Estimator, Generalized, Implicit, Knowles, ScoreFunction
from irg_experiments.estimators.baseline import Baseline
from irg_experiments.implicit import Dirichlet, Gamma
from tests.estimators.closed_forms import (
    BETAS,
    DIRICHLETS,
    GAMMAS,
    VON_MISES,
    Case,
    assert_follows_the_protocol,
    assert_unbiased,
    gradient_samples,
    over,
)
from tests.options import accepts
from tests.statistics import seed

Make = Callable[..., Estimator]
DRAWS = 40_000
METHODS: dict[str, Make] = {
    "RSVI, B = 0": lambda **options: RSVI(0, **options),
    "RSVI, B = 1": lambda **options: RSVI(1, **options),
    "G-REP": Generalized,
    "score function": ScoreFunction,
}
BASELINES: list[dict[str, Any]] = [
    {"baseline": "constant", "constant": 3.0},
    {"baseline": "leave_one_out"},
    {"baseline": "auto"},
    {"baseline": "moving_average", "decay": 0.5},
]
every_method = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
every_baseline = pytest.mark.parametrize("options", BASELINES, ids=lambda options: options["baseline"])


def shifted(case: Case, constant: float) -> Case:
    """The same expectation plus a constant, which has the same gradient."""
    return Case(case.name, case.family, case.parameters, lambda z: case.f(z) + constant, case.mean)


def gradients(estimator: Estimator, case: Case, draws: int = 5, num_samples: int = 4, stream: int = 1) -> Tensor:
    seed(stream)
    return torch.cat([it.reshape(draws, -1) for it in gradient_samples(estimator, case, draws, num_samples)], -1)


@over([GAMMAS[4], BETAS[5], DIRICHLETS[2]])
@every_method
@every_baseline
def test_unbiased(make: Make, options: dict[str, Any], case: Case):
    # four samples each; the moving average comes from an earlier call
    estimator = make(**options)
    gradient_samples(estimator, case, 1000, num_samples=4)
    assert_unbiased(estimator, case, DRAWS // 4, num_samples=4)


@over([VON_MISES[2], VON_MISES[5]])
@pytest.mark.parametrize("make", [RSVI, ScoreFunction])
@every_baseline
def test_unbiased_von_mises(make: Make, options: dict[str, Any], case: Case):
    estimator = make(**options)
    gradient_samples(estimator, case, 1000, num_samples=4)
    assert_unbiased(estimator, case, DRAWS // 4, num_samples=4)


@over([GAMMAS[4], DIRICHLETS[3]])
@every_method
def test_a_constant_baseline_takes_a_constant_off_f(make: Make, case: Case):
    """For the same draws: f + 50 with the baseline 50 has the gradients of f, and without it others."""
    plain, far = make(baseline="none"), make(baseline="constant", constant=50.0)
    torch.testing.assert_close(gradients(far, shifted(case, 50.0)), gradients(plain, case))
    assert (gradients(plain, shifted(case, 50.0)) - gradients(plain, case)).abs().max() > 0.1


@over([GAMMAS[4], DIRICHLETS[3]])
@every_method
def test_leave_one_out_removes_every_constant(make: Make, case: Case):
    estimator = make(baseline="leave_one_out")
    torch.testing.assert_close(gradients(estimator, shifted(case, 50.0)), gradients(estimator, case))
    torch.testing.assert_close(gradients(make(baseline="auto"), case), gradients(estimator, case), rtol=0, atol=0)


@every_method
def test_leave_one_out_uses_the_other_samples_alone(make: Make):
    values = torch.tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
    estimator: Any = make(baseline="leave_one_out")
    torch.testing.assert_close(estimator.baseline(values), torch.tensor([[4.0, 40.0], [3.5, 35.0], [1.5, 15.0]]))


@over([GAMMAS[4], DIRICHLETS[3]])
@every_method
def test_the_moving_average_is_that_of_earlier_calls(make: Make, case: Case):
    """Gradients are exactly those with the constant that the calls before have left: the current sample has no part in it."""
    estimator, expected = make(baseline="moving_average", decay=0.75), None
    for stream in range(3):
        constant = {"baseline": "none"} if expected is None else {"baseline": "constant", "constant": expected}
        values: list[Tensor] = []

        def f(z: Tensor, values: list[Tensor] = values) -> Tensor:
            values.append(case.f(z).detach())
            return case.f(z)

        recorded = Case(case.name, case.family, case.parameters, f, case.mean)
        found = gradients(estimator, recorded, stream=stream)
        torch.testing.assert_close(found, gradients(make(**constant), case, stream=stream))
        mean = values[0].mean().item()
        expected = mean if expected is None else 0.75 * expected + 0.25 * mean


def test_the_moving_average_follows_calls_that_record_gradients():
    estimator, q = RSVI(baseline="moving_average", decay=0.75), Gamma(torch.ones(3), 1.0)
    estimator.expectation(lambda z: torch.full_like(z, 8.0), q)
    with torch.no_grad():
        estimator.expectation(lambda z: torch.full_like(z, 100.0), q)
    estimator.expectation(lambda z: torch.full_like(z, 4.0), q)
    assert estimator.state_dict()["average"].item() == 7.0


@every_method
def test_the_state_goes_on_in_another_estimator(make: Make):
    case, options = DIRICHLETS[3], {"baseline": "moving_average"}
    first, second = make(**options), make(**options)
    assert first.state_dict() == {}
    gradients(first, case)
    second.load_state_dict(first.state_dict())
    expected = gradients(first, case, stream=2)
    torch.testing.assert_close(gradients(second, case, stream=2), expected, rtol=0, atol=0)
    second.load_state_dict({})
    torch.testing.assert_close(gradients(second, case, stream=2), gradients(make(baseline="none"), case, stream=2))


@pytest.mark.parametrize("options", BASELINES[1:], ids=lambda options: options["baseline"])
@every_method
def test_baselines_lower_the_variance_of_a_function_far_from_zero(make: Make, options: dict[str, Any]):
    case = shifted(DIRICHLETS[2], 300.0)
    estimator = make(**options)
    gradients(estimator, case, 1000)
    variances = [gradients(it, case, 5000).var(0).sum().item() for it in (make(baseline="none"), estimator)]
    assert variances[1] < 0.3 * variances[0]


@over([GAMMAS[0], DIRICHLETS[0]])
@every_baseline
@pytest.mark.parametrize("make", [RSVI, Generalized])
def test_protocol(make: Make, options: dict[str, Any], case: Case):
    assert_follows_the_protocol(make(**options), case)


@every_method
def test_one_sample(make: Make):
    with pytest.raises(ValueError, match="leave_one_out is the mean over the other samples and needs at least 2, not 1"):
        gradients(make(baseline="leave_one_out"), DIRICHLETS[0], num_samples=1)
    automatic, none = (gradients(make(baseline=it), DIRICHLETS[0], num_samples=1) for it in ("auto", "none"))
    torch.testing.assert_close(automatic, none, rtol=0, atol=0)
    for options in BASELINES:
        estimator = make(**options)
        estimator.check_num_samples(2)
        if options["baseline"] != "leave_one_out":
            estimator.check_num_samples(1)


def test_constants_matter_to_estimators_with_a_score_and_a_fixed_baseline():
    assert all(make(baseline=it).depends_on_constants for make in METHODS.values() for it in ("none", "auto"))
    assert RSVI(baseline="constant", constant=1.0).depends_on_constants
    for adaptive in ("leave_one_out", "moving_average"):
        assert not any(make(baseline=adaptive).depends_on_constants for make in METHODS.values())
    assert not any(it.depends_on_constants for it in (Implicit(), Knowles(), RSVI(correction=False)))


def test_a_moving_average_is_a_state():
    assert all(make(baseline="moving_average").has_state for make in METHODS.values())
    others = Implicit(), RSVI(), ScoreFunction(), Generalized("leave_one_out")
    assert not any(it.has_state or it.state_dict() for it in others)


def test_labels():
    assert RSVI(3, baseline="leave_one_out").label == "RSVI, B = 3, leave-one-out"
    assert RSVI(3, baseline="constant", constant=-686.8).label_for(Dirichlet) == "RSVI, B = 3, baseline -686.8"
    assert Generalized("moving_average", decay=0.9).label == "G-REP, moving average, decay = 0.9"
    assert Generalized("auto").label == "G-REP, automatic baseline"
    assert ScoreFunction("leave_one_out").label == "score function, leave-one-out"


@pytest.mark.parametrize("cls", [RSVI, Generalized, ScoreFunction])
def test_arguments(cls: type[Estimator]):
    for value, accepted in (("auto", True), ("constant", True), ("optimal", False), (5, False), (None, False)):
        assert accepts(cls, "baseline", value) == accepted
    for value, accepted in ((-700.0, True), (None, True), (float("nan"), False), ("many", False)):
        assert accepts(cls, "constant", value) == accepted
    assert accepts(cls, "decay", 0)
    assert not accepts(cls, "decay", 1.0)


def test_options_that_do_not_go_together():
    with pytest.raises(ValueError, match="baseline=constant needs a number: set constant"):
        Baseline("constant")
    with pytest.raises(ValueError, match="constant=5 has no effect with baseline=none: add baseline=constant"):
        RSVI(constant=5.0)
    with pytest.raises(ValueError, match="use baseline=none with correction=false"):
        RSVI(correction=False, baseline="auto")
