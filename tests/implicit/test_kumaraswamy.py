"""The Kumaraswamy distribution against mpmath and its explicit inverse."""

import mpmath
import pytest
import torch

from irg_experiments.implicit.distributions.kumaraswamy import Kumaraswamy
from tests.statistics import DRAWS, assert_law, assert_mean

SHAPES = [(1e-3, 1e-3), (1e-3, 2.0), (0.1, 30.0), (0.5, 0.5), (1.0, 1.0), (3.0, 1e-2), (4.0, 7.0), (200.0, 50.0)]
every_shape = pytest.mark.parametrize(("a", "b"), SHAPES)


def distribution(a: float, b: float, dtype: torch.dtype = torch.float64) -> Kumaraswamy:
    return Kumaraswamy(torch.tensor(a, dtype=dtype), torch.tensor(b, dtype=dtype))


def relative_error(value: torch.Tensor, expected: list[mpmath.mpf]) -> float:
    return max(abs(float(mpmath.mpf(v) / e - 1)) for v, e in zip(value.tolist(), expected, strict=True))


@every_shape
def test_density_and_distribution_function_against_mpmath(a: float, b: float):
    q = distribution(a, b)
    value = torch.tensor([1e-300, 1e-5, 0.2, 0.7, 0.99, 1 - 1e-12], dtype=torch.float64)
    mpmath.mp.dps = 60
    z = [mpmath.mpf(v) for v in value.tolist()]
    density = [a * b * x ** (mpmath.mpf(a) - 1) * (1 - x ** mpmath.mpf(a)) ** (mpmath.mpf(b) - 1) for x in z]
    for log_prob, p in zip(q.log_prob(value).tolist(), density, strict=True):
        assert abs(log_prob - mpmath.log(p)) < 1e-13 * max(1, abs(mpmath.log(p)))
    survival = [(1 - x ** mpmath.mpf(a)) ** mpmath.mpf(b) for x in z]
    held = [float(s) > 1e-300 for s in survival]
    assert relative_error(q.survival_function(value)[held], [s for s, h in zip(survival, held, strict=True) if h]) < 1e-11
    held = [float(1 - s) > 1e-300 for s in survival]
    assert relative_error(q.cdf(value)[held], [1 - s for s, h in zip(survival, held, strict=True) if h]) < 1e-11


@every_shape
def test_moments_and_mode_against_mpmath(a: float, b: float):
    mpmath.mp.dps = 40
    moments = [b * mpmath.beta(1 + n / mpmath.mpf(a), mpmath.mpf(b)) for n in (1, 2)]
    for dtype, tolerance in ((torch.float64, 3e-12), (torch.float32, 1e-7)):
        q = distribution(a, b, dtype)
        assert abs(q.mean.item() - moments[0]) < tolerance
        assert abs(q.variance.item() - (moments[1] - moments[0] ** 2)) < tolerance
    q = distribution(a, b)
    mode = q.mode
    assert mode.isnan() == (min(a, b) < 1 or a * b == 1)
    if not mode.isnan():
        assert (q.log_prob(mode) > q.log_prob(torch.stack((mode - 1e-4, mode + 1e-4)))).all()
    if min(a, b) >= 0.5:  # else mpmath's quadrature fails at the ends
        entropy = -mpmath.quad(lambda x: (p := a * b * x ** (a - 1) * (1 - x**a) ** (b - 1)) * mpmath.log(p), [0, 0.5, 0.9, 1])
        assert abs(q.entropy().item() - entropy) < 1e-6


@every_shape
def test_quantiles_invert_the_distribution_function(a: float, b: float):
    q = distribution(a, b)
    probability = torch.tensor([1e-10, 0.01, 0.5, 0.9], dtype=torch.float64)
    value = q.icdf(probability)
    held = (value > 1e-300) & (value < 0.999)
    torch.testing.assert_close(q.cdf(value)[held], probability[held], rtol=1e-10, atol=0)


@every_shape
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_draws_and_gradients_against_the_explicit_inverse(a: float, b: float, dtype: torch.dtype, tolerance: float):
    a_tensor, b_tensor = (torch.full((40,), x, dtype=dtype, requires_grad=True) for x in (a, b))
    sample = Kumaraswamy(a_tensor, b_tensor).rsample(generator=torch.Generator().manual_seed(2))
    uniform = torch.rand(40, generator=torch.Generator().manual_seed(2), dtype=dtype)
    grads = torch.autograd.grad(sample.sum(), (a_tensor, b_tensor))
    assert ((sample > 0) & (sample < 1)).all()
    mpmath.mp.dps = 40
    a, b = (mpmath.mpf(x[0].item()) for x in (a_tensor, b_tensor))
    for u, z, *grad in zip(uniform.tolist(), sample.tolist(), *(g.tolist() for g in grads), strict=True):
        power = (1 - mpmath.mpf(u)) ** (1 / b)
        log_z = mpmath.log1p(-power) / a
        exact = mpmath.exp(log_z)
        d_b = exact * power / (1 - power) * mpmath.log(1 - mpmath.mpf(u)) / (a * b**2)
        scale = max(1, abs(log_z))
        for value, expected in ((z, exact), (grad[0], -exact * log_z / a), (grad[1], d_b)):
            # the last term: where the draw or the power underflows
            slack = torch.finfo(dtype).tiny * (1 + abs(expected / exact) + 100 / (a * b**2))
            assert abs(value - expected) <= tolerance * scale * abs(expected) + slack


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (0.7, 6.0), (4.0, 7.0)])
def test_draws_follow_the_distribution_and_gradients_of_moments(a: float, b: float):
    a_tensor, b_tensor = (torch.full((DRAWS,), x, dtype=torch.float64, requires_grad=True) for x in (a, b))
    sample = Kumaraswamy(a_tensor, b_tensor).rsample()
    q = distribution(a, b)
    assert_law(sample, lambda z: q.cdf(torch.as_tensor(z)).numpy())
    one = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (a, b)]
    q = Kumaraswamy(*one)
    for power, moment in ((1, q.mean), (2, q.variance + q.mean.square())):
        grads = torch.autograd.grad((sample**power).sum(), (a_tensor, b_tensor), retain_graph=True)
        expected = torch.autograd.grad(moment, one)
        for grad, value in zip(grads, expected, strict=True):
            assert_mean(grad, value)


def test_limits_at_the_ends():
    inf = float("inf")
    ends = torch.tensor([0.0, 1.0])
    assert torch.equal(Kumaraswamy(1.0, 1.0).log_prob(ends), torch.zeros(2))
    assert torch.equal(Kumaraswamy(0.5, 3.0).log_prob(ends), torch.tensor([inf, -inf]))
    assert torch.equal(Kumaraswamy(2.0, 0.5).log_prob(ends), torch.tensor([-inf, inf]))
    ends.requires_grad_()
    for method, expected in (("cdf", [0.0, 1.0]), ("survival_function", [1.0, 0.0])):
        value = getattr(Kumaraswamy(0.5, 0.5), method)(ends)
        assert value.tolist() == expected
        assert torch.autograd.grad(value.sum(), ends)[0].isfinite().all()


def test_derivatives_of_every_order():
    a, b = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in ((0.4, 3.0), (2.0, 0.6)))
    value = torch.tensor([0.3, 0.8], dtype=torch.float64, requires_grad=True)
    for method in ("log_prob", "cdf", "survival_function", "icdf"):

        def function(a, b, z, method=method):
            return getattr(Kumaraswamy(a, b), method)(z)

        assert torch.autograd.gradcheck(function, (a, b, value), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(function, (a, b, value))

    def sample(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return Kumaraswamy(a, b).rsample(generator=torch.Generator().manual_seed(0))

    assert torch.autograd.gradgradcheck(sample, (a, b))


def test_drop_in_for_torch():
    parameters = torch.rand(4, 3) + 0.5, torch.rand(3) + 0.5
    ours, theirs = Kumaraswamy(*parameters, validate_args=True), torch.distributions.Kumaraswamy(*parameters)
    value = theirs.sample().clamp(0.01, 0.99)
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value))
    torch.testing.assert_close(ours.cdf(value), theirs.cdf(value))
    torch.testing.assert_close(ours.mean, theirs.mean)
    expanded = ours.expand((2, 4, 3))
    assert type(expanded) is Kumaraswamy
    assert expanded.rsample((5,)).shape == (5, 2, 4, 3)
    with pytest.raises(ValueError, match="constraint"):
        Kumaraswamy(-1.0, 1.0, validate_args=True)
    with pytest.raises(ValueError, match="support"):
        ours.cdf(value + 2)


def draw(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return Kumaraswamy(a, b, validate_args=False).rsample()


def test_under_vmap():
    a, b = torch.rand(2, 5) + 0.5
    assert torch.func.vmap(draw, randomness="different")(a, b).shape == (5,)
    expected = Kumaraswamy(a, b).log_prob(torch.tensor(0.3))
    torch.testing.assert_close(
        torch.func.vmap(lambda a, b: Kumaraswamy(a, b, False).log_prob(torch.tensor(0.3)))(a, b), expected
    )


def test_under_compile():
    a, b = (torch.full((5,), x, requires_grad=True) for x in (2.0, 3.0))
    sample = torch.compile(draw, fullgraph=True, backend="aot_eager")(a, b)
    (grad,) = torch.autograd.grad(sample.sum(), a)
    torch.testing.assert_close(grad, -sample.detach() * sample.detach().log() / 2)
