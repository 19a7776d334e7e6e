"""Truncated distributions against SciPy, mpmath, explicit inverses and closed forms."""

import math

import mpmath
import pytest
import scipy.stats
import torch
from torch.distributions import Categorical, Cauchy, Exponential, Gumbel, Independent, Normal, Poisson, Uniform

from irg_experiments.implicit.distributions.gamma import Gamma
from irg_experiments.implicit.distributions.kumaraswamy import Kumaraswamy
from irg_experiments.implicit.distributions.mixture_same_family import MixtureSameFamily
from irg_experiments.implicit.distributions.truncated import Truncated
from irg_experiments.implicit.special import gammaincc
from tests.statistics import DRAWS, assert_law, assert_mean

INF = math.inf
INTERVALS = [(-1.0, 2.0), (-INF, 0.3), (-INF, INF), (0.5, INF), (8.0, INF), (30.0, INF), (-INF, -20.0), (100.0, 101.0)]
every_interval = pytest.mark.parametrize(("low", "high"), INTERVALS)


def scalar(value: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype, requires_grad=True)


def normal(low: float, high: float, dtype: torch.dtype = torch.float64) -> Truncated:
    return Truncated(Normal(scalar(0.0, dtype), scalar(1.0, dtype)), low, high)


def integral(function, low: float, high: float) -> mpmath.mpf:
    """Of a normal density times ``function``, relative to its value at the end nearer to 0, cut where nothing is left."""
    near = 0.0 if low < 0 < high else min(low, high, key=abs)
    reach = 40.0 / max(1.0, abs(near))
    ends = max(low, near - reach), min(high, near + reach)
    points = [ends[0] + (ends[1] - ends[0]) * mpmath.mpf(k) / 16 for k in range(17)]
    return mpmath.quad(lambda z: function(z) * mpmath.exp((near**2 - z * z) / 2), points)


@every_interval
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 3e-5)])
def test_moments_of_normals_against_mpmath(low: float, high: float, dtype: torch.dtype, tolerance: float):
    mpmath.mp.dps = 30
    mass = integral(lambda z: 1, low, high)
    mean = integral(lambda z: z, low, high) / mass
    variance = integral(lambda z: (z - mean) ** 2, low, high) / mass
    near = 0.0 if low < 0 < high else min(low, high, key=abs)
    entropy = mpmath.log(mass) + (integral(lambda z: z * z, low, high) / mass - near**2) / 2
    q = normal(low, high, dtype)
    assert abs(q.mean.item() - mean) < tolerance * max(1, abs(mean))
    assert abs(q.variance.item() / variance - 1) < tolerance * max(1, abs(near))
    assert abs(q.entropy().item() - entropy) < tolerance * max(1, near**2)
    value = q.sample((5,))
    expected = [-mpmath.log(mass) + (near**2 - mpmath.mpf(z) ** 2) / 2 for z in value.tolist()]
    for log_prob, truth in zip(q.log_prob(value).tolist(), expected, strict=True):
        assert abs(log_prob - truth) < tolerance * max(1, near**2)


@every_interval
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-5)])
def test_gradients_of_normals_against_the_explicit_inverse(low: float, high: float, dtype: torch.dtype, tolerance: float):
    """At loc 0 and scale 1; with T the smaller tail, dz/dφ = −(∂T(z) − v ∂T(small) − u ∂T(big)) / ∂T/∂z."""
    probability = torch.tensor([1e-6, 0.1, 0.5, 0.999], dtype=dtype)
    loc, scale, lows, highs = (torch.full_like(probability, x).requires_grad_() for x in (0.0, 1.0, low, high))
    value = Truncated(Normal(loc, scale), lows, highs).icdf(probability)
    grads = torch.autograd.grad(value.sum(), (loc, scale, lows, highs))
    mpmath.mp.dps = 300
    ends = [mpmath.mpf(x) for x in (low, high)]
    sign = -1 if low > 0 else 1
    tails = [mpmath.ncdf(sign * x) for x in ends]
    pdf = [mpmath.npdf(x) if abs(x) < INF else mpmath.mpf(0) for x in ends]
    slope = [p * x if p else p for p, x in zip(pdf, ends, strict=True)]
    for i, p in enumerate(mpmath.mpf(x) for x in probability.tolist()):
        target = (1 - p) * tails[0] + p * tails[1]
        z = mpmath.findroot(lambda x, t=target: mpmath.log(mpmath.ncdf(sign * x) / t), mpmath.mpf(value[i].item()), tol=1e-80)
        assert abs(value[i].item() - z) < tolerance * max(1, abs(z)) / 10
        density = mpmath.npdf(z)
        expected = (
            (density - (1 - p) * pdf[0] - p * pdf[1]) / density,
            (density * z - (1 - p) * slope[0] - p * slope[1]) / density,
            (1 - p) * pdf[0] / density,
            p * pdf[1] / density,
        )
        for grad, truth in zip(grads, expected, strict=True):
            assert abs(grad[i].item() - truth) < tolerance * max(1, abs(z), abs(truth) * z * z)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (8.0, INF), (30.0, INF), (-INF, -20.0)])
def test_draws_follow_the_distribution(low: float, high: float):
    q = normal(low, high)
    draws = q.sample((DRAWS,))
    assert_law(draws, lambda z: q.cdf(torch.as_tensor(z)).detach().numpy())
    assert_law(draws, scipy.stats.truncnorm(low, high).cdf)
    single = normal(low, high, torch.float32).sample((DRAWS,))
    assert_mean(single, q.mean)
    assert_mean((single - q.mean) ** 2, q.variance)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (2.0, INF), (-INF, 0.5)])
def test_distribution_function_against_scipy(low: float, high: float):
    q, reference = normal(low, high), scipy.stats.truncnorm(low, high)
    value = torch.tensor([-3.0, -1.0, -0.999, 0.1, 0.49999, 1.9999, 2.0, 2.3, 5.0], dtype=torch.float64)
    inside = value[(value >= low) & (value <= high)]
    torch.testing.assert_close(q.cdf(inside).detach(), torch.tensor(reference.cdf(inside)), rtol=1e-9, atol=0)
    torch.testing.assert_close(q.survival_function(inside).detach(), torch.tensor(reference.sf(inside)), rtol=1e-9, atol=0)
    torch.testing.assert_close(q.log_prob(inside).detach(), torch.tensor(reference.logpdf(inside)), rtol=1e-12, atol=1e-12)
    lenient = Truncated(Normal(0.0, 1.0), low, high, validate_args=False)
    beyond = torch.tensor([-9.0, 9.0])
    if high < INF:
        assert lenient.log_prob(beyond)[1] == -INF
        assert (lenient.cdf(beyond)[1], lenient.survival_function(beyond)[1]) == (1, 0)
    if low > -INF:
        assert lenient.log_prob(beyond)[0] == -INF
        assert (lenient.cdf(beyond)[0], lenient.survival_function(beyond)[0]) == (0, 1)


def test_derivatives_of_the_distribution_function_and_the_quantile():
    loc, scale, low, high = scalar(0.3), scalar(1.2), scalar(-0.5), scalar(2.0)
    value = torch.tensor([-0.4, 0.2, 1.9], dtype=torch.float64, requires_grad=True)
    for method in ("cdf", "survival_function", "log_prob"):

        def function(loc, scale, low, high, value, method=method):
            return getattr(Truncated(Normal(loc, scale), low, high), method)(value)

        assert torch.autograd.gradcheck(function, (loc, scale, low, high, value), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(function, (loc, scale, low, high, value))
    probability = torch.tensor([0.01, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    for shift in (0.0, 2.0):  # below and above the median

        def quantile(loc, scale, low, high, probability, shift=shift):
            return Truncated(Normal(loc, scale), low + shift, high + shift).icdf(probability)

        assert torch.autograd.gradcheck(quantile, (loc, scale, low, high, probability))

    def moments(loc, scale, low, high):
        q = Truncated(Normal(loc, scale), low, high)
        return q.mean, q.variance

    assert torch.autograd.gradcheck(moments, (loc, scale, low, high))


BASES = [
    (Exponential(scalar(2.0)), 1.0, 3.0, scipy.stats.expon(scale=0.5)),
    (Exponential(scalar(2.0)), -5.0, INF, scipy.stats.expon(scale=0.5)),
    (Gumbel(scalar(0.5), scalar(2.0)), -1.0, INF, scipy.stats.gumbel_r(0.5, 2)),
    (Cauchy(scalar(0.5), scalar(2.0)), -30.0, 1.0, scipy.stats.cauchy(0.5, 2)),
    (Uniform(scalar(0.0), scalar(3.0)), 2.0, 9.0, scipy.stats.uniform(0, 3)),
    (Gamma(scalar(0.05), scalar(2.0)), 0.0, 0.1, scipy.stats.gamma(0.05, scale=0.5)),
    (Gamma(scalar(40.0), scalar(2.0)), 30.0, INF, scipy.stats.gamma(40, scale=0.5)),
    (Kumaraswamy(scalar(1.0), scalar(0.5)), 0.2, 1.0, scipy.stats.beta(1, 0.5)),
]


@pytest.mark.parametrize(("base", "low", "high", "reference"), BASES)
def test_quantiles_by_bisection(base: torch.distributions.Distribution, low: float, high: float, reference):
    q = Truncated(base, low, high, validate_args=True)
    probability = torch.tensor([1e-6, 0.1, 0.5, 0.9], dtype=torch.float64)
    value = q.icdf(probability).detach()
    # as far as the floats at low are close enough
    torch.testing.assert_close(q.cdf(value).detach(), probability, rtol=1e-8, atol=0)
    if reference.cdf(low) < 0.5:
        expected = reference.ppf(reference.cdf(low) + probability * (reference.cdf(high) - reference.cdf(low)))
    else:
        expected = reference.isf(reference.sf(low) + probability * (reference.sf(high) - reference.sf(low)))
    torch.testing.assert_close(value, torch.as_tensor(expected), rtol=1e-7, atol=0)
    draws = q.sample((2000,))
    assert q.support.check(draws).all()
    assert_law(draws, lambda z: q.cdf(torch.as_tensor(z)).detach().numpy())


def test_gradients_of_exponentials_equal_the_explicit_inverse():
    rate, low, high = scalar(2.0), scalar(0.3), scalar(1.7)
    probability = torch.linspace(0.01, 0.99, 20, dtype=torch.float64, requires_grad=True)
    value = Truncated(Exponential(rate), low, high).icdf(probability)
    explicit = low - torch.log1p(probability * torch.expm1(-rate * (high - low))) / rate
    torch.testing.assert_close(value, explicit)
    grads = [torch.autograd.grad(z.square().sum(), (rate, low, high, probability)) for z in (value, explicit)]
    torch.testing.assert_close(*grads, rtol=1e-9, atol=1e-12)


def test_gradients_of_moments_of_gammas():
    # E[z | z > c] = a/r Q(a + 1, rc)/Q(a, rc); 5,000 draws
    a, rate, low = (torch.full((5000,), x, dtype=torch.float64, requires_grad=True) for x in (2.5, 1.5, 2.0))
    sample = Truncated(Gamma(a, rate), low).rsample()
    grads = torch.autograd.grad(sample.sum(), (a, rate, low))
    one = scalar(2.5), scalar(1.5), scalar(2.0)
    mean = one[0] / one[1] * gammaincc(one[0] + 1, one[1] * one[2]) / gammaincc(one[0], one[1] * one[2])
    torch.testing.assert_close(Truncated(Gamma(*one[:2]), one[2]).mean, mean, rtol=1e-11, atol=0)
    for grad, expected in zip(grads, torch.autograd.grad(mean, one), strict=True):
        assert_mean(grad, expected)


def test_moments_that_the_base_lacks():
    cauchy = Cauchy(scalar(0.0), scalar(1.0))
    assert Truncated(cauchy, 0.0).mean.isnan()
    assert Truncated(cauchy, 0.0).variance == INF
    # on [−1, 3] the mean is ln(10/2)/2 over arctan 3 + π/4
    torch.testing.assert_close(Truncated(cauchy, -1.0, 3.0).mean.item(), math.log(5) / 2 / (math.atan(3) + math.pi / 4))
    torch.testing.assert_close(Truncated(cauchy, 0.0).entropy().item(), math.log(2 * math.pi))
    assert Truncated(cauchy, 1.0, 3.0).mode == 1
    assert Truncated(cauchy, -1.0, 3.0).mode == 0


def test_a_truncated_mixture_truncated_again():
    mixture = MixtureSameFamily(Categorical(torch.ones(2).double()), Normal(torch.tensor([0.0, 3.0]).double(), 1.0))
    once, twice = Truncated(mixture, 0.5, 2.0), Truncated(Truncated(mixture, -1.0, 2.0), 0.5, 4.0)
    assert twice.support.upper_bound == 2
    value = torch.tensor([0.6, 1.9]).double()
    torch.testing.assert_close(once.log_prob(value), twice.log_prob(value))
    torch.testing.assert_close(once.icdf(value / 2), twice.icdf(value / 2))


def test_shapes_and_validation():
    q = Truncated(Normal(torch.zeros(3), 1.0), torch.tensor([[-1.0], [0.0]]), 2, validate_args=True)
    assert q.batch_shape == (2, 3)
    assert q.rsample((4,)).shape == (4, 2, 3)
    expanded = q.expand((5, 2, 3))
    assert expanded.sample().shape == (5, 2, 3)
    assert type(expanded) is Truncated
    first, second = (q.rsample((2,), generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert Truncated(Normal(torch.zeros(2).double(), 1.0), -1.0).sample().dtype == torch.float64
    with pytest.raises(ValueError, match="low must be below high"):
        Truncated(Normal(0.0, 1.0), 2.0, 1.0, validate_args=True)
    with pytest.raises(ValueError, match="no mass"):
        Truncated(Exponential(1.0), 200.0, validate_args=True)
    with pytest.raises(ValueError, match="support"):
        q.log_prob(torch.tensor(3.0))
    with pytest.raises(TypeError, match="discrete"):
        Truncated(Poisson(1.0), 0.0)
    with pytest.raises(ValueError, match="events of shape"):
        Truncated(Independent(Normal(torch.zeros(3), 1.0), 1), 0.0)


def test_second_derivatives_through_samples_of_other_bases_raise():
    low = scalar(0.5)
    (grad,) = torch.autograd.grad(Truncated(Exponential(1.0), low).rsample() ** 2, low, create_graph=True)
    with pytest.raises(NotImplementedError):
        torch.autograd.grad(grad, low)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (2.0, 2.5), (-INF, INF), (-INF, 0.5), (1.0, INF), (-4.0, -3.0)])
def test_second_derivatives_through_quantiles_of_normals(low: float, high: float):
    parameters = [scalar(x) for x in (0.3, 1.2, low, high) if abs(x) < INF]
    probability = torch.tensor([0.01, 0.5, 0.9], dtype=torch.float64, requires_grad=True)

    def quantile(loc, scale, *rest):
        *ends, p = rest
        first = ends[0] if low > -INF else low
        last = ends[-1] if high < INF else high
        return Truncated(Normal(loc, scale), first, last).icdf(p)

    assert torch.autograd.gradgradcheck(quantile, (*parameters, probability))


def draw(loc: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
    return Truncated(Normal(loc, 1.0, validate_args=False), low, validate_args=False).rsample((50,))


def test_under_vmap():
    loc, low = torch.zeros(4), torch.linspace(-1, 9, 4)
    grads = torch.func.vmap(torch.func.grad(lambda *p: draw(*p).mean(), (0, 1)), randomness="different")(loc, low)
    torch.testing.assert_close(grads[0] + grads[1], torch.ones(4))
    value = torch.tensor(10.0)
    mapped = torch.func.vmap(lambda loc, low: Truncated(Normal(loc, 1.0, False), low, validate_args=False).log_prob(value))(
        loc, low
    )
    torch.testing.assert_close(mapped, Truncated(Normal(loc, 1.0), low).log_prob(value))


def test_under_compile():
    # moving loc and low together moves the draw
    loc, low = torch.zeros(2, requires_grad=True), torch.tensor([-1.0, 5.0], requires_grad=True)
    sample = torch.compile(draw, fullgraph=True, backend="aot_eager")(loc, low)
    grads = torch.autograd.grad(sample.sum(), (loc, low))
    torch.testing.assert_close(grads[0] + grads[1], torch.full((2,), 50.0))
    assert (sample > low).all()
