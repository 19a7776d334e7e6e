import math

import pytest
import scipy.stats
import torch

from irg_experiments.estimators import MeasureValued, supports
from irg_experiments.estimators.measure_valued import _decompositions
from irg_experiments.implicit import Dirichlet, Gamma, Normal, VonMises
from tests.estimators.closed_forms import (
    GAMMAS,
    NORMALS,
    VON_MISES,
    Case,
    assert_follows_the_protocol,
    assert_unbiased,
    over,
)
from tests.statistics import assert_law, assert_mean

DRAWS = 5_000


@over([*GAMMAS, *VON_MISES, *NORMALS])
def test_unbiased(case: Case):
    assert_unbiased(MeasureValued(), case, DRAWS)


@over([GAMMAS[0], VON_MISES[0], NORMALS[1]])
def test_protocol(case: Case):
    assert_follows_the_protocol(MeasureValued(), case)


@pytest.mark.parametrize("q", [Normal(0.5, 2.0), Gamma(0.3, 2.0), Gamma(20.0, 1.0), VonMises(0.5, 0.2), VonMises(0.5, 20.0)])
def test_a_step_function(q: torch.distributions.Distribution):
    # P(z > t) has no pathwise gradient; its derivatives are minus those of the distribution function
    names = list(_decompositions(q))
    value = q.mean.double() + 0.4 * q.stddev.double()
    parameters = [getattr(q, name).double().expand(DRAWS).clone().requires_grad_() for name in names]
    batch = type(q)(*parameters)
    estimate = MeasureValued().expectation(lambda z: (z > value).double(), batch)
    grads = torch.autograd.grad(estimate.sum(), parameters)
    # on the circle z > t has a second edge, at π
    edges = [(value, 1.0), (torch.tensor(math.pi, dtype=torch.float64), -1.0)] if isinstance(q, VonMises) else [(value, 1.0)]
    single = [parameter[:1].detach().requires_grad_() for parameter in parameters]
    probability = -sum(sign * type(q)(*single).cdf(edge.expand(1)) for edge, sign in edges)
    for grad, truth in zip(grads, torch.autograd.grad(probability.sum(), single), strict=True):
        assert_mean(grad, truth)


def test_the_normal_parts_follow_their_distributions():
    loc, scale = torch.full((DRAWS,), 0.5, dtype=torch.float64), torch.full((DRAWS,), 2.0, dtype=torch.float64)
    parts = _decompositions(Normal(loc, scale))
    _, above, below = parts["loc"](loc, scale)
    _, maxwell, normal = parts["scale"](loc, scale)
    for sample, expected in (
        ((above - loc) / scale, scipy.stats.rayleigh()),
        ((loc - below) / scale, scipy.stats.rayleigh()),
        (((maxwell - loc) / scale).abs(), scipy.stats.maxwell()),
        ((normal - loc) / scale, scipy.stats.norm()),
    ):
        assert_law(sample, expected.cdf)


@pytest.mark.parametrize("shape", [1e-3, 1.0, 1e3])
def test_extreme_shapes_in_float32(shape: float):
    # E[z] = a/r: derivative 1/r; z-score of 5,000 draws
    a = torch.full((DRAWS,), shape, requires_grad=True)
    estimate = MeasureValued().expectation(lambda z: z, Gamma(a, torch.ones_like(a)))
    (grad,) = torch.autograd.grad(estimate.sum(), a)
    assert grad.isfinite().all()
    assert_mean(grad, 1.0)


def test_parameters_without_a_gradient_cost_nothing():
    calls = []
    q = Normal(torch.zeros(3, requires_grad=True), torch.ones(3))
    MeasureValued().expectation(lambda z: calls.append(0) or z, q)
    assert len(calls) == 3


def test_families():
    assert all(supports(MeasureValued(), family) for family in (Normal, Gamma, VonMises))
    assert not supports(MeasureValued(), Dirichlet)
    with pytest.raises(NotImplementedError, match="Independent"):
        MeasureValued().expectation(lambda z: z, torch.distributions.Independent(Normal(torch.zeros(2), 1.0), 1))
