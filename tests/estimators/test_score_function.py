import pytest
import torch
from torch.distributions import Bernoulli

from irg_experiments.estimators import ScoreFunction, supports
from irg_experiments.implicit import Dirichlet, Gamma, VonMises
from tests.estimators.closed_forms import (
    NORMALS,
    THROUGH_GAMMAS,
    VON_MISES,
    Case,
    assert_unbiased,
    gradient_samples,
    over,
)
from tests.statistics import assert_mean

DRAWS = 40_000


@over([*THROUGH_GAMMAS, *VON_MISES, *NORMALS])
def test_unbiased(case: Case):
    assert_unbiased(ScoreFunction("none"), case, DRAWS)


@over([NORMALS[1]])
@pytest.mark.parametrize("baseline", ["leave_one_out", "moving_average"])
def test_a_baseline_changes_the_variance_alone(case: Case, baseline: str):
    # four samples each; the moving average comes from an earlier call
    estimator = ScoreFunction(baseline)
    gradient_samples(estimator, case, 1000, num_samples=4)
    assert_unbiased(estimator, case, DRAWS // 4, num_samples=4)


def test_baselines_lower_the_variance():
    case = NORMALS[1]
    average = ScoreFunction("moving_average")
    gradient_samples(average, case, 1000)
    estimators = (ScoreFunction("none"), ScoreFunction("leave_one_out"), average)
    none, leave_one_out, moving = (gradient_samples(e, case, 20_000, num_samples=8)[0].var().item() for e in estimators)
    assert leave_one_out < 0.9 * none
    assert moving < 0.9 * none


def test_value_and_gradient_of_what_f_closes_over():
    weight = torch.tensor(2.0, requires_grad=True)
    for baseline in ("none", "moving_average", "leave_one_out"):
        values = []

        def f(z: torch.Tensor, values: list[torch.Tensor] = values) -> torch.Tensor:
            values.append(z[..., 0].detach())
            return weight * z[..., 0]

        q = Dirichlet(torch.full((4, 3), 0.3, requires_grad=True))
        estimate = ScoreFunction(baseline).expectation(f, q, 6)
        torch.testing.assert_close(estimate, 2 * values[0].mean(0))
        (grad,) = torch.autograd.grad(estimate.sum(), weight)
        torch.testing.assert_close(grad, values[0].mean(0).sum())


def test_second_derivatives_are_right():
    # d²/da² E[z] = 0 and d²/da² E[z²] = 2 for a Gamma of rate one; z-scores from 40,000 draws
    for power, truth in ((1, 0.0), (2, 2.0)):
        a = torch.full((DRAWS,), 3.0, dtype=torch.float64, requires_grad=True)
        estimate = ScoreFunction("none").expectation(lambda z, power=power: z**power, Gamma(a, torch.ones_like(a)))
        (first,) = torch.autograd.grad(estimate.sum(), a, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), a)
        assert_mean(second, truth)


def test_discrete_distributions():
    # d/dp E[z] = 1
    p = torch.full((DRAWS,), 0.3, requires_grad=True)
    estimate = ScoreFunction().expectation(lambda z: z, Bernoulli(p), 2)
    (grad,) = torch.autograd.grad(estimate.sum(), p)
    assert_mean(grad, 1.0)


def test_tiny_shapes_in_float32_are_unbiased():
    # E[θ₀] = α₀/Σα, where most θ are zero in float32; 400,000 draws
    alpha = torch.tensor([1e-3, 2e-3]).repeat(400_000, 1).requires_grad_()
    estimate = ScoreFunction("none").expectation(lambda theta: theta[..., 0], Dirichlet(alpha))
    (grad,) = torch.autograd.grad(estimate.sum(), alpha)
    truth = torch.tensor([2.0, -1.0], dtype=torch.float64) * 1e-3 / 3e-3**2
    assert_mean(grad, truth)


def test_families():
    assert all(supports(ScoreFunction(), family) for family in (Dirichlet, VonMises, Bernoulli))
