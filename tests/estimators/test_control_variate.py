"""The control variate of implicit gradients: the mean stays, the variance falls."""

from typing import Any

import pytest
import torch
from torch import Tensor

from irg_experiments.estimators import Implicit
from irg_experiments.estimators.control_variate import controlled
from irg_experiments.implicit import Dirichlet, LogGamma, Normal, VonMises
from tests.estimators.closed_forms import (
    BETAS,
    DIRICHLETS,
    GAMMAS,
    THROUGH_GAMMAS,
    Case,
    assert_follows_the_protocol,
    assert_unbiased,
    gradient_samples,
    over,
)
from tests.options import accepts, build
from tests.statistics import assert_mean, seed

PLAIN, CONTROLLED = Implicit(), Implicit(control_variate=True)
# a posterior of counts but for its first concentration, and a cross-entropy with it
WEIGHTS = torch.tensor([0.5, 4.0, 1.0, 2.0, 0.2], dtype=torch.float64)
CROSS_ENTROPY = Case(
    "cross-entropy",
    Dirichlet,
    ((1.5, 5.0, 2.0, 3.0, 1.2),),
    lambda theta: -(WEIGHTS * theta.log()).sum(-1),
    lambda alpha: -(WEIGHTS * (alpha.digamma() - alpha.sum().digamma())).sum(),
)


@over([*THROUGH_GAMMAS, CROSS_ENTROPY])
@pytest.mark.parametrize("num_samples", [3, 8])
def test_unbiased(case: Case, num_samples: int):
    assert_unbiased(CONTROLLED, case, 10_000, num_samples)


@pytest.mark.parametrize(("num_samples", "least"), [(5, 2.0), (20, 4.0)])
@over([CROSS_ENTROPY, GAMMAS[8], GAMMAS[7]])
def test_the_variance_falls(case: Case, num_samples: int, least: float):
    """By 2.8 to 5.9 with five samples, and by 5.2 to 270 with twenty, in 4,000 draws."""
    variances = []
    for estimator in (PLAIN, CONTROLLED):
        seed()
        variances.append(gradient_samples(estimator, case, 4000, num_samples)[0].var(0).sum())
    assert variances[0] > least * variances[1]


@over([GAMMAS[1], DIRICHLETS[1]])
def test_small_concentrations_do_not_suffer_much(case: Case):
    """The variance is 1.27 times and 1.38 times the plain one."""
    variances = []
    for estimator in (PLAIN, CONTROLLED):
        seed()
        variances.append(gradient_samples(estimator, case, 10_000, 5)[0].var(0).sum())
    assert variances[1] < 1.6 * variances[0]


def test_the_coefficient_of_a_sample_is_the_regression_over_the_others():
    seed()
    values, slopes, weights = (torch.randn(6, 2, dtype=torch.float64) for _ in range(3))
    a = torch.tensor([0.5, 3.0], dtype=torch.float64).expand(6, 2).clone().requires_grad_()
    x = controlled(values, slopes, a)
    assert torch.equal(x, values)
    (found,) = torch.autograd.grad((weights * x).sum(), a)
    gradients, mean = weights * slopes, torch.special.polygamma(1, a[0].detach())
    for k in range(6):
        others = [j for j in range(6) if j != k]
        s, u = slopes[others], gradients[others]
        covariance = ((u - u.mean(0)) * (s - s.mean(0))).sum(0)
        spread = ((s - s.mean(0)) ** 2).sum(0) + mean**2 / (1 + 4 * a[0].detach())
        torch.testing.assert_close(found[k], gradients[k] - covariance / spread * (slopes[k] - mean))


@pytest.mark.parametrize("a", [1e-2, 0.3, 1.0, 10.0, 1e3])
def test_the_derivative_has_the_mean_and_about_the_variance_that_are_assumed(a: float):
    """20,000 draws."""
    concentration = torch.full((20_000,), a, dtype=torch.float64, requires_grad=True)
    log_gamma = LogGamma(concentration).rsample()
    (slope,) = torch.autograd.grad(log_gamma.sum(), concentration)
    trigamma = torch.special.polygamma(1, concentration[0].detach())
    assert_mean(slope, trigamma.item())
    assert 0.5 < slope.var() / (trigamma**2 / (1 + 4 * a)) < 2


@over([GAMMAS[0], BETAS[0], DIRICHLETS[0]])
def test_protocol(case: Case):
    assert_follows_the_protocol(CONTROLLED, case)


@pytest.mark.parametrize("family", [Normal, VonMises])
def test_other_distributions_have_none(family: Any):
    loc = torch.tensor([0.5, 1.0], requires_grad=True)
    gradients: list[Tensor] = []
    for estimator in (PLAIN, CONTROLLED):
        seed()
        value = estimator.expectation(torch.sin, family(loc, torch.ones(2)), 4).sum()
        gradients.append(torch.autograd.grad(value, loc)[0])
    assert torch.equal(*gradients)
    assert CONTROLLED.label_for(family) == "implicit"


def test_options():
    assert CONTROLLED.label == CONTROLLED.label_for(Dirichlet) == "implicit, control variate"
    assert PLAIN.label == build("method", "implicit").label == "implicit"
    assert build("method", "implicit", control_variate=True).control_variate
    assert PLAIN.pathwise
    assert not CONTROLLED.pathwise
    assert not accepts(Implicit, "control_variate", 1)
    PLAIN.check_num_samples(1)
    CONTROLLED.check_num_samples(3)
    with pytest.raises(ValueError, match="control_variate=true is a regression over the other samples and needs at least 3"):
        CONTROLLED.check_num_samples(2)


@pytest.mark.parametrize("num_samples", [3, 8])
def test_traced_as_one_graph_and_eager_agree(num_samples: int):
    concentration = torch.linspace(0.2, 3.0, 20).reshape(4, 5).requires_grad_()

    def loss() -> Tensor:
        q = Dirichlet(concentration * 1.0, validate_args=False)
        return CONTROLLED.expectation(lambda z: z[..., 0] + z[..., 1] ** 2, q, num_samples).sum()

    results = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        seed(1)
        value = function()
        results.append((value.detach(), *torch.autograd.grad(value, concentration)))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-4)
