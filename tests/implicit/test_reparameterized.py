"""Any base with a cdf: gradients against explicit inverses, delegation, generators, errors."""

import pytest
import scipy.stats
import torch
from torch.distributions import (
    Categorical,
    Cauchy,
    Exponential,
    Gumbel,
    Independent,
    Laplace,
    LogNormal,
    Normal,
    Poisson,
    StudentT,
)

from irg_experiments.implicit.distributions.gamma import Gamma
from irg_experiments.implicit.distributions.mixture_same_family import MixtureSameFamily
from irg_experiments.implicit.distributions.reparameterized import Reparameterized, sample_from
from tests.statistics import DRAWS, assert_law, assert_mean


def positive(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("family", [Normal, Laplace, Cauchy, Gumbel, LogNormal])
def test_gradients_equal_those_of_the_explicit_inverse(family: type[torch.distributions.Distribution]):
    parameters = positive(0.5, -2.0), positive(0.7, 3.0)
    base = family(*parameters)
    sample = Reparameterized(base).rsample((500,))
    explicit = base.icdf(base.cdf(sample.detach()).detach())
    weight = torch.randn_like(sample)
    grads, expected = (torch.autograd.grad((weight * z).sum(), parameters) for z in (sample, explicit))
    torch.testing.assert_close(grads, expected, rtol=1e-8, atol=1e-8)


def test_gamma_gradients_equal_its_own():
    concentration, rate = positive(0.3, 1.0, 40.0), positive(2.0, 1.0, 0.1)
    base = Gamma(concentration, rate)
    weight = torch.randn(200, 3, dtype=torch.float64)
    grads = []
    for distribution in (base, Reparameterized(base)):
        sample = distribution.rsample((200,), generator=torch.Generator().manual_seed(1))
        grads.append(torch.autograd.grad((weight * sample).sum(), (concentration, rate)))
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-10)


def test_a_wrapped_mixture_of_torch_equals_our_own():
    logits, loc = positive(0.1, 0.4), positive(-1.0, 1.0)
    grads = []
    for wrap in (lambda *parts: Reparameterized(torch.distributions.MixtureSameFamily(*parts)), MixtureSameFamily):
        distribution = wrap(Categorical(logits=logits), Normal(loc, torch.ones(2, dtype=torch.float64)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(distribution), "_draw", lambda *_: torch.linspace(-3, 3, 20, dtype=torch.float64))
            grads.append(torch.autograd.grad(distribution.rsample().sum(), (logits, loc)))
    torch.testing.assert_close(*grads)


def test_draws_and_gradients_of_moments():
    # E[z] = 1/rate and E[z²] = 2/rate²; 20,000 draws
    rate = torch.full((DRAWS,), 1.5, dtype=torch.float64, requires_grad=True)
    sample = Reparameterized(Exponential(rate)).rsample()
    assert_law(sample, scipy.stats.expon(scale=1 / 1.5).cdf)
    for power, expected in ((1, -1 / 1.5**2), (2, -4 / 1.5**3)):
        (grad,) = torch.autograd.grad((sample**power).sum(), rate, retain_graph=True)
        assert_mean(grad, expected)


def test_everything_else_is_the_base():
    base = Gumbel(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    wrapped = Reparameterized(base)
    value = torch.tensor([0.3, 2.0])
    assert (wrapped.batch_shape, wrapped.support) == (base.batch_shape, base.support)
    for name in ("mean", "mode", "variance", "stddev"):
        assert torch.equal(getattr(wrapped, name), getattr(base, name))
    assert torch.equal(wrapped.entropy(), base.entropy())
    assert torch.equal(wrapped.log_prob(value), base.log_prob(value))
    assert torch.equal(wrapped.cdf(value), base.cdf(value))
    assert torch.equal(wrapped.icdf(value / 3), base.icdf(value / 3))
    expanded = wrapped.expand((3, 2))
    assert expanded.rsample((4,)).shape == (4, 3, 2)
    assert not wrapped.sample().requires_grad
    with pytest.raises(ValueError, match="support"):
        Reparameterized(Exponential(1.0, validate_args=False), validate_args=True).log_prob(torch.tensor(-1.0))


@pytest.mark.parametrize("base", [Normal(0.0, 1.0), Gamma(2.0, 1.0), Independent(Normal(torch.zeros(3), 1.0), 1)])
def test_a_generator_reproduces_draws_and_leaves_the_global_one_alone(base: torch.distributions.Distribution):
    before = torch.get_rng_state()
    generator = torch.Generator().manual_seed(5)
    first, second = sample_from(base, (4,), generator), sample_from(base, (4,), generator)
    assert not torch.equal(first, second)
    assert torch.equal(sample_from(base, (4,), torch.Generator().manual_seed(5)), first)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(sample_from(base, (4,)), first)


def test_what_cannot_be_wrapped():
    with pytest.raises(TypeError, match="discrete"):
        Reparameterized(Poisson(1.0))
    with pytest.raises(TypeError, match="no cdf"):
        Reparameterized(StudentT(3.0))
    with pytest.raises(TypeError, match="no cdf"):
        Reparameterized(torch.distributions.MixtureSameFamily(Categorical(torch.ones(2)), StudentT(torch.ones(2))))
    with pytest.raises(ValueError, match="events of shape"):
        Reparameterized(Independent(Normal(torch.zeros(3), 1.0), 1))


def test_second_derivatives_raise():
    scale = torch.tensor(2.0, requires_grad=True)
    (grad,) = torch.autograd.grad(Reparameterized(Normal(0.0, scale)).rsample() ** 2, scale, create_graph=True)
    with pytest.raises(NotImplementedError):
        torch.autograd.grad(grad, scale)


def draw(loc: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return Reparameterized(Normal(loc, scale, validate_args=False), validate_args=False).rsample((50,))


def test_under_vmap():
    grad = torch.func.vmap(torch.func.grad(lambda loc, scale: draw(loc, scale).mean()), randomness="different")
    torch.testing.assert_close(grad(torch.zeros(4), torch.ones(4)), torch.ones(4))


def test_under_compile():
    loc, scale = torch.zeros(3, requires_grad=True), torch.ones(3, requires_grad=True)
    sample = torch.compile(draw, fullgraph=True, backend="aot_eager")(loc, scale)
    grads = torch.autograd.grad(sample.sum(), (loc, scale))
    torch.testing.assert_close(grads, (torch.full((3,), 50.0), sample.detach().sum(0)))
