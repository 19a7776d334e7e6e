"""The Gaussian copula over marginals of several families, against normal vectors and closed forms."""

import copy
import math
import pickle

import pytest
import scipy.stats
import torch
import torch.distributions as td

from irg_experiments import implicit
from irg_experiments.implicit.distributions.copula import _quantile
from tests.statistics import DRAWS, assert_law, assert_mean, seed

CORRELATION = torch.tensor([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]], dtype=torch.float64)
TRIL = torch.linalg.cholesky(CORRELATION)


def mixed(dtype: torch.dtype = torch.float64, tril: torch.Tensor = TRIL) -> implicit.Copula:
    """Three families, one of them torch's own, without a survival function."""
    two = torch.tensor(2.0, dtype=dtype)
    parts = (implicit.Gamma(two, 3 * two), td.Cauchy(two, two), implicit.Beta(two, 0.5 * two))
    return implicit.Copula(parts, tril.to(dtype), validate_args=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_marginals_and_dependence(dtype: torch.dtype):
    draws = mixed(dtype).sample((DRAWS,))
    assert draws.dtype == dtype
    references = scipy.stats.gamma(2, scale=1 / 6), scipy.stats.cauchy(2, 2), scipy.stats.beta(2, 1)
    for index, reference in enumerate(references):
        assert_law(draws[:, index], reference.cdf)
    # the signs of x, of which two agree with probability 1/2 + arcsin(ρ)/π
    above = torch.stack([draws[:, i] > float(reference.median()) for i, reference in enumerate(references)], -1)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        agree = (above[:, i] == above[:, j]).double()
        assert_mean(agree, 0.5 + math.asin(CORRELATION[i, j].item()) / math.pi)


def test_a_copula_of_normals_is_a_normal_vector():
    loc, scale = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.1, 0.7]], dtype=torch.float64).requires_grad_()
    factor = scale.diag_embed() @ TRIL
    for family in (implicit.Normal, td.Normal):
        q = implicit.Copula(family(loc, scale), TRIL)
        vector = td.MultivariateNormal(loc, scale_tril=factor)
        value = 3 * vector.sample((50,))
        torch.testing.assert_close(q.log_prob(value), vector.log_prob(value), rtol=1e-10, atol=1e-9)
        torch.testing.assert_close(q.entropy(), vector.entropy())
        torch.testing.assert_close(q.mean, vector.mean)
        torch.testing.assert_close(q.variance, vector.variance)


def test_the_log_density_in_both_tails():
    # of log-normal marginals, which are a function of a normal vector
    zero, one = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)

    class LogNormal(td.LogNormal):
        def survival_function(self, value: torch.Tensor) -> torch.Tensor:
            return implicit.special.ndtr(-value.log())

        def cdf(self, value: torch.Tensor) -> torch.Tensor:
            return implicit.special.ndtr(value.log())

    q, vector = implicit.Copula(LogNormal(zero, one), TRIL), td.MultivariateNormal(zero, scale_tril=TRIL)
    x = torch.tensor([[-20.0, -15.0, 10.0], [20.0, 15.0, -10.0], [0.1, 0.0, -2.0]], dtype=torch.float64)
    torch.testing.assert_close(q.log_prob(x.exp()), vector.log_prob(x) - x.sum(-1), rtol=1e-9, atol=1e-9)


def test_the_density_integrates_to_one():
    rho = torch.tensor(0.7, dtype=torch.float64)
    tril = torch.stack([torch.ones(()), torch.zeros(()), rho, (1 - rho**2).sqrt()]).reshape(2, 2).double()
    q = implicit.Copula([implicit.Gumbel(*torch.tensor([0.0, 1.0]).double()), implicit.Normal(rho, 1 + rho)], tril)
    first, second = (torch.linspace(*ends, 600, dtype=torch.float64) for ends in ((-4, 30), (-14, 15)))
    grid = torch.stack(torch.meshgrid(first, second, indexing="ij"), -1)
    area = (first[1] - first[0]) * (second[1] - second[0])
    assert abs(q.log_prob(grid).exp().sum() * area - 1) < 1e-11


def test_gradient_in_the_correlation():
    # E[u₀ u₁] = 1/4 + arcsin(ρ/2)/(2π) for uniform marginals
    rho = torch.full((DRAWS,), 0.5, dtype=torch.float64, requires_grad=True)
    rows = torch.ones_like(rho), torch.zeros_like(rho), rho, (1 - rho**2).sqrt()
    one = torch.ones(DRAWS, 2, dtype=torch.float64)
    uniform = implicit.Copula(implicit.Kumaraswamy(one, one), torch.stack(rows, -1).unflatten(-1, (2, 2))).rsample()
    product = uniform.prod(-1)
    assert_mean(product, 0.25 + math.asin(0.25) / (2 * math.pi))
    (grad,) = torch.autograd.grad(product.sum(), rho)
    assert_mean(grad, 1 / (4 * math.pi * math.sqrt(1 - 0.25**2)))


def test_the_gradient_is_that_of_the_quantiles():
    # both marginals have quantiles in closed form, whose explicit derivatives are the implicit ones
    parameters = torch.tensor([1.5, 0.7, 2.0], dtype=torch.float64).requires_grad_()
    tril = TRIL[:2, :2].clone().requires_grad_()
    weibull, gumbel = implicit.Weibull(parameters[0], parameters[2]), implicit.Gumbel(parameters[1], parameters[0])
    seed(3)
    sample = implicit.Copula([weibull, gumbel], tril).rsample((40,))
    seed(3)
    x = torch.randn(40, 2, dtype=torch.float64) @ tril.mT
    u = implicit.special.ndtr(x)
    explicit = torch.stack([weibull.icdf(u[:, 0]), gumbel.icdf(u[:, 1])], -1)
    torch.testing.assert_close(sample, explicit, rtol=1e-9, atol=1e-9)
    weight = torch.randn(40, 2, dtype=torch.float64)
    ours = torch.autograd.grad((weight * sample).sum(), (parameters, tril), retain_graph=True)
    theirs = torch.autograd.grad((weight * explicit).sum(), (parameters, tril))
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_extremes_stay_finite():
    scale = torch.tensor([1e-3, 1.0, 1e3], requires_grad=True)
    tril = TRIL.float().requires_grad_()
    q = implicit.Copula(implicit.Gamma(torch.tensor([0.1, 1.0, 1e4]), scale), tril)
    sample = q.rsample((2000,))
    assert q.support.check(sample).all()
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(sample.sum(), (scale, tril)))


def test_shapes_and_validation():
    q = mixed()
    assert (q.batch_shape, q.event_shape) == ((), (3,))
    assert len(q.marginals) == 3
    wide = q.expand((4, 2))
    assert wide.rsample((5,)).shape == (5, 4, 2, 3)
    assert wide.log_prob(q.sample()).shape == (4, 2)
    stacked = implicit.Copula(implicit.Normal(torch.zeros(5, 3), torch.ones(3)), TRIL.float())
    assert stacked.batch_shape == (5,)
    assert stacked.expand((2, 5)).marginals.batch_shape == (2, 5, 3)
    batch = implicit.Copula(implicit.Normal(torch.zeros(2), torch.ones(2)), implicit.LKJCholesky(2).sample((7,)))
    assert batch.rsample().shape == (7, 2)
    for same in (copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        assert same.sample().shape == (3,)
    with pytest.raises(ValueError, match="3 marginals need"):
        implicit.Copula(q.marginals, TRIL[:2, :2])
    with pytest.raises(ValueError, match="one element per coordinate"):
        implicit.Copula(implicit.Normal(0.0, 1.0), TRIL)
    with pytest.raises(ValueError, match="constraint"):
        implicit.Copula(q.marginals, 2 * TRIL, validate_args=True)
    with pytest.raises(ValueError, match="support"):
        q.log_prob(torch.tensor([-1.0, 0.0, 0.5]))
    with pytest.raises(TypeError, match="discrete"):
        implicit.Copula([td.Poisson(1.0)], torch.eye(1))


@pytest.mark.parametrize(("marginals", "value"), [(td.Gamma, (120.0, 1.0)), (td.Gumbel, (18.0, 1.0))])
def test_the_density_is_finite_where_a_tail_underflows(marginals: type[td.Distribution], value: tuple[float, float]):
    own = getattr(implicit, marginals.__name__)(torch.ones(2), torch.ones(2))
    for q in (own, marginals(torch.ones(2), torch.ones(2))):
        log_density = implicit.Copula(q, torch.eye(2)).log_prob(torch.tensor(value))
        torch.testing.assert_close(log_density, q.log_prob(torch.tensor(value)).sum())


def test_dtype_is_that_of_the_marginals_and_the_factor():
    wide = implicit.Gamma(torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    assert implicit.Copula(wide, torch.eye(2)).rsample().dtype == torch.float64
    with pytest.raises(ValueError, match="one element per coordinate"):
        implicit.Copula(implicit.Gamma(torch.tensor(1.0), torch.tensor(1.0)), torch.eye(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_where_the_upper_tail_of_a_marginal_has_no_digits(dtype: torch.dtype):
    """torch's Exponential has no survival function: beyond 1 − F = eps the draw is held, and scales with the parameter."""
    rate, x = torch.tensor(2.0, dtype=dtype, requires_grad=True), torch.tensor([-6.0, 0.0, 3.0, 9.0], dtype=dtype)
    value = _quantile(td.Exponential(rate), x)
    (grad,) = torch.autograd.grad(value.sum(), rate)
    torch.testing.assert_close(grad, -(value / rate).sum().detach(), rtol=1e-5, atol=0)


def test_no_gradient_is_nan_at_the_end_of_a_support():
    low, x = torch.tensor(0.0, requires_grad=True), torch.linspace(-9, 9, 200, requires_grad=True)
    value = _quantile(td.Uniform(low, 1.0), x)
    assert ((value >= 0) & (value <= 1)).all()
    assert not any(grad.isnan().any() for grad in torch.autograd.grad(value.sum(), (low, x)))


def test_a_factor_in_float32_serves_marginals_in_float64():
    tril = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    q = implicit.Copula(implicit.Normal(torch.zeros(2, dtype=torch.float64), 1.0), tril, validate_args=True)
    assert q.sample().dtype == torch.float64
