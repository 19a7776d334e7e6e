"""The variance of gradients, on losses whose gradients are known."""

import pytest
import torch
from torch import Tensor

from irg_experiments.config import ConfigTree
from irg_experiments.config.components import Component
from irg_experiments.experiments.compared_estimators import ComparedEstimators, gradient_variance, variance_metric
from irg_experiments.experiments.gradient_variance import VARIANCE, GradientVariance, variance_names
from irg_experiments.implicit import Normal
from irg_experiments.models.common import Expectation

TREE = ConfigTree()


def test_variance_is_that_of_all_gradients_mean_over_the_elements():
    slopes = torch.randn(7, 5) + 1e3
    a, b = torch.zeros(2, requires_grad=True), torch.zeros(3, requires_grad=True)
    remaining = iter(slopes)

    def loss() -> Tensor:
        return torch.dot(next(remaining), torch.cat([a, b]))

    with torch.no_grad():  # as in an evaluation
        found = gradient_variance(loss, [a, b], 7)
    assert found == pytest.approx(slopes.double().var(0).mean().item(), rel=1e-9)


def test_a_gradient_that_is_not_random_has_no_variance():
    a = torch.ones(3, requires_grad=True)
    assert gradient_variance(lambda: a.square().sum(), [a], 4) == 0


def compared(*methods: str) -> ComparedEstimators:
    return ComparedEstimators(GradientVariance(methods=list(methods), repeats=6), Normal, "a test", TREE)


def test_each_estimator_has_the_variance_of_its_own_gradients():
    """For q = Normal(μ, 1) and f(z) = z² the gradient in μ is 2z by reparameterization, z² (z − μ) by the score function."""
    loc = torch.tensor([2.0], requires_grad=True)

    def loss(expectation: Expectation) -> Tensor:
        return expectation(torch.square, Normal(loc, torch.ones(1)), 1).sum()

    found = compared("implicit", "score_function").variances(loss, [loc], 3)
    torch.manual_seed(3)
    first, second = (torch.cat([Normal(loc, torch.ones(1)).sample() for _ in range(6)]).double() for _ in range(2))
    expected = {
        f"{VARIANCE}implicit": (2 * first).var().item(),
        f"{VARIANCE}score_function": (second.square() * (second - 2)).var().item(),
    }
    assert found == pytest.approx(expected, rel=1e-5)
    assert found.keys() == expected.keys()


def test_the_names_of_figures():
    rows = [{"step": 1, "x": 1.0}, {"step": 2, f"{VARIANCE}implicit": 1.0, f"{VARIANCE}of_another_day": 1.0}]
    names = variance_names(rows, compared("implicit").names())
    assert names == {f"{VARIANCE}implicit": "implicit", f"{VARIANCE}of_another_day": "of another day"}
    assert not compared()
    assert compared().names() == {}


def test_a_method_without_an_option_file_is_named_by_all_its_options():
    mine = Component(target="irg_experiments.estimators.RSVI", name="mine", augmentation=2)
    assert variance_metric(mine, TREE) == f"{VARIANCE}mine_augmentation_2"
