import pytest
import torch
from torch.distributions import Distribution, Independent

from irg_experiments.estimators import supports
from irg_experiments.estimators.standard import log_prob_from_log_gammas, standardize
from irg_experiments.implicit import Beta, Chi2, Dirichlet, Gamma, VonMises
from tests.options import build, estimators


def made_of_gammas() -> list[Distribution]:
    a, b = (torch.rand(2, 3, dtype=torch.float64) + 0.5 for _ in range(2))
    return [Gamma(a, b), Chi2(a), Beta(a, b), Dirichlet(a), Independent(Gamma(a, b), 1), Independent(Dirichlet(a), 1)]


@pytest.mark.parametrize("index", range(6))
def test_log_density_of_what_the_gammas_make(index: int):
    q = made_of_gammas()[index]
    standard = standardize(q)
    assert not standard.angular
    log_gamma = torch.randn(4, *standard.parameter.shape, dtype=torch.float64)
    sample = standard.sample(log_gamma)
    assert sample.shape == (4, *q.batch_shape, *q.event_shape)
    torch.testing.assert_close(log_prob_from_log_gammas(q, log_gamma), q.log_prob(sample))
    assert standard.total(log_gamma).shape == (4, *q.batch_shape)


@pytest.mark.parametrize("independent", [False, True])
def test_angles_are_added_to_the_location(independent: bool):
    loc = torch.linspace(-3.0, 3.0, 12, dtype=torch.float64).reshape(3, 4)
    base = VonMises(loc, torch.ones_like(loc))
    q = Independent(base, 1) if independent else base
    standard = standardize(q)
    assert standard.angular
    angle = torch.rand(5, 3, 4, dtype=torch.float64)
    sample = standard.sample(angle)
    assert (sample.abs() <= torch.pi).all()
    torch.testing.assert_close((sample - loc).cos(), angle.cos())
    assert standard.total(angle).shape == (5, *q.batch_shape)


def test_other_distributions_are_refused():
    normal = torch.distributions.Normal(torch.zeros(2), 1.0)
    with pytest.raises(NotImplementedError, match="Normal"):
        standardize(Independent(normal, 1))
    with pytest.raises(NotImplementedError, match="Normal"):
        log_prob_from_log_gammas(normal, torch.zeros(2))


@pytest.mark.parametrize("method", [name for name in estimators() if supports(build("method", name), Dirichlet)])
def test_extreme_shapes_in_float32_give_finite_gradients(method: str):
    shapes = torch.tensor([1e-3, 1e-3, 1e-2, 1.0, 1e3]).expand(1000, 5)
    for concentration in (shapes, shapes[:, :3]):
        concentration = concentration.clone().requires_grad_()
        estimate = build("method", method).expectation(lambda theta: (theta.mean(-1) + 1e-3).log(), Dirichlet(concentration))
        (grad,) = torch.autograd.grad(estimate.sum(), concentration)
        assert estimate.isfinite().all()
        assert grad.isfinite().all()
