import pytest
import torch
from torch.distributions import Independent

from irg_experiments.estimators import PathwiseOMT, supports
from irg_experiments.implicit import Beta, Chi2, Dirichlet, Gamma, Normal
from irg_experiments.implicit.special import gamma_sample_grad
from tests.estimators.closed_forms import THROUGH_GAMMAS, Case, assert_unbiased, over


@over(THROUGH_GAMMAS)
def test_gradients_within_the_documented_bias(case: Case):
    assert_unbiased(PathwiseOMT(), case, 50_000, bias=1e-3)


@pytest.mark.parametrize(("a", "bound"), [(1e-3, 1e-2), (0.1, 1e-2), (1.0, 1e-3), (20.0, 1e-3), (1e4, 1e-3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_error_of_the_derivative_is_as_documented(a: float, bound: float, dtype: torch.dtype):
    shape = torch.full((20_000,), a, dtype=dtype, requires_grad=True)
    samples = []

    def f(z: torch.Tensor) -> torch.Tensor:
        samples.append(z.detach())
        return z

    (grad,) = torch.autograd.grad(PathwiseOMT().expectation(f, Gamma(shape, torch.ones_like(shape))).sum(), shape)
    z = samples[0][0]
    normal = z > 1e-30
    exact = gamma_sample_grad(shape.detach().double(), z.double())
    assert (grad / exact - 1)[normal].abs().max() < bound


def test_tiny_shapes_underflow():
    shares = []
    PathwiseOMT().expectation(
        lambda z: shares.append((z <= torch.finfo(z.dtype).tiny).float().mean()) or z, Gamma(torch.full((20_000,), 1e-3), 1.0)
    )
    assert 0.89 < shares[0] < 0.94


def test_value_and_gradient_of_what_f_closes_over():
    weight = torch.tensor(2.0, requires_grad=True)
    values = []

    def f(z: torch.Tensor) -> torch.Tensor:
        values.append(z[..., 0].detach())
        return weight * z[..., 0]

    estimate = PathwiseOMT().expectation(f, Dirichlet(torch.full((4, 3), 0.3, requires_grad=True)), 6)
    torch.testing.assert_close(estimate, (2 * values[0]).mean(0))
    (grad,) = torch.autograd.grad(estimate.sum(), weight)
    torch.testing.assert_close(grad, values[0].mean(0).sum())


def test_families():
    assert all(supports(PathwiseOMT(), family) for family in (Gamma, Chi2, Beta, Dirichlet))
    assert not supports(PathwiseOMT(), Normal)
    gamma = Independent(Gamma(torch.ones(4, 3), 1.0), 1)
    assert PathwiseOMT().expectation(lambda z: z.sum(-1), gamma, 2).shape == (4,)
    with pytest.raises(NotImplementedError, match="Normal"):
        PathwiseOMT().expectation(lambda z: z, Normal(0.0, 1.0))
