import pytest
import torch
from torch.distributions import Distribution, Independent

from irg_experiments.estimators import ESTIMATORS, supports
from irg_experiments.estimators.standard import gammas, log_prob_from_log_gammas
from irg_experiments.implicit import Beta, Chi2, Dirichlet, Gamma


def made_of_gammas() -> list[Distribution]:
    a, b = (torch.rand(2, 3, dtype=torch.float64) + 0.5 for _ in range(2))
    return [Gamma(a, b), Chi2(a), Beta(a, b), Dirichlet(a), Independent(Gamma(a, b), 1), Independent(Dirichlet(a), 1)]


@pytest.mark.parametrize("index", range(6))
def test_log_density_of_what_the_gammas_make(index: int):
    q = made_of_gammas()[index]
    standard = gammas(q)
    log_gamma = torch.randn(4, *standard.parameter.shape, dtype=torch.float64)
    sample = standard.sample(log_gamma)
    assert sample.shape == (4, *q.batch_shape, *q.event_shape)
    torch.testing.assert_close(log_prob_from_log_gammas(q, log_gamma), q.log_prob(sample))
    assert standard.total(log_gamma).shape == (4, *q.batch_shape)


@pytest.mark.parametrize("method", [name for name, make in ESTIMATORS.items() if supports(make(), Dirichlet)])
def test_extreme_shapes_in_float32_give_finite_gradients(method: str):
    shapes = torch.tensor([1e-3, 1e-3, 1e-2, 1.0, 1e3]).expand(1000, 5)
    for concentration in (shapes, shapes[:, :3]):
        concentration = concentration.clone().requires_grad_()
        estimate = ESTIMATORS[method]().expectation(lambda theta: (theta.mean(-1) + 1e-3).log(), Dirichlet(concentration))
        (grad,) = torch.autograd.grad(estimate.sum(), concentration)
        assert estimate.isfinite().all()
        assert grad.isfinite().all()
