"""Mixtures: densities, draws, and the distributional transform against mpmath, autograd and closed forms."""

import mpmath
import pytest
import scipy.stats
import torch
from torch.distributions import Categorical, Independent, MultivariateNormal, Poisson, StudentT

from irg_experiments.implicit.distributions.gamma import Gamma
from irg_experiments.implicit.distributions.mixture_same_family import MixtureSameFamily
from irg_experiments.implicit.distributions.normal import Normal
from irg_experiments.implicit.rule import reparameterize
from tests.statistics import DRAWS, assert_law, assert_mean


def parameter(*shape: int, offset: float = 0.0) -> torch.Tensor:
    return (torch.rand(shape, dtype=torch.float64) + offset).requires_grad_()


def normals(
    logits: torch.Tensor, loc: torch.Tensor, scale: torch.Tensor, validate_args: bool | None = None
) -> MixtureSameFamily:
    """Of scalars, or of vectors if loc has a dimension more than logits."""
    components = Normal(loc, scale, validate_args=validate_args)
    if loc.dim() > logits.dim():
        components = Independent(components, loc.dim() - logits.dim(), validate_args=validate_args)
    return MixtureSameFamily(Categorical(logits=logits, validate_args=validate_args), components, validate_args=validate_args)


def at(value: torch.Tensor, q: MixtureSameFamily) -> torch.Tensor:
    """``value`` as a draw of q, with its gradient."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(q), "_draw", lambda *_: value)
        return q.rsample()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_gradients_against_mpmath_far_into_both_tails(dtype: torch.dtype, tolerance: float):
    values = torch.tensor([-9.0, -2.0, 0.1, 1.4, 3.0, 10.0], dtype=dtype)
    parameters = [torch.tensor(x, dtype=dtype).expand(6, 2).clone() for x in ([0.3, -0.8], [-0.5, 1.0], [0.9, 1.1])]
    weights, *rest = (p.requires_grad_() for p in parameters)
    q = MixtureSameFamily(Categorical(logits=weights), Normal(*rest))
    grads = torch.autograd.grad(at(values, q).sum(), parameters)
    mpmath.mp.dps = 60
    logits, loc, scale = ([mpmath.mpf(x) for x in p[0].tolist()] for p in parameters)
    weight = [mpmath.exp(x) for x in logits]
    weight = [w / sum(weight) for w in weight]
    for i, z in enumerate(mpmath.mpf(v) for v in values.tolist()):
        cdf = [mpmath.ncdf(z, m, s) for m, s in zip(loc, scale, strict=True)]
        pdf = [mpmath.npdf(z, m, s) for m, s in zip(loc, scale, strict=True)]
        mean = sum(w * f for w, f in zip(weight, cdf, strict=True))
        density = sum(w * f for w, f in zip(weight, pdf, strict=True))
        for k in range(2):
            d_loc = weight[k] * pdf[k] / density
            expected = -weight[k] * (cdf[k] - mean) / density, d_loc, d_loc * (z - loc[k]) / scale[k]
            for grad, truth in zip(grads, expected, strict=True):
                assert abs(grad[i, k].item() / truth - 1) < tolerance


def test_vector_gradients_equal_those_by_automatic_differentiation_of_the_transform():
    logits, loc, scale = parameter(2, 3), parameter(2, 3, 4), parameter(2, 3, 4, offset=0.5)
    q = normals(logits, loc, scale)
    value = q.sample((7,))

    def transform(z: torch.Tensor) -> torch.Tensor:
        rows, log_weight = [], logits.log_softmax(-1)
        for i in range(4):
            factor = Normal(loc[..., i], scale[..., i])
            rows.append((log_weight.softmax(-1) * factor.cdf(z[..., i, None])).sum(-1))
            log_weight = log_weight + factor.log_prob(z[..., i, None])
        return torch.stack(rows, -1)

    weight = torch.randn_like(value)
    samples = at(value, q), reparameterize(value, transform, event_dim=1)
    grads = [torch.autograd.grad((weight * z).sum(), (logits, loc, scale)) for z in samples]
    torch.testing.assert_close(*grads, rtol=1e-9, atol=1e-9)


def test_matrix_events_are_vectors_in_order():
    logits, loc, scale = parameter(3), parameter(3, 2, 2), parameter(3, 2, 2, offset=0.5)
    matrices, vectors = normals(logits, loc, scale), normals(logits, loc.flatten(-2), scale.flatten(-2))
    value = matrices.sample((5,))
    weight = torch.randn_like(value)
    grads = [
        torch.autograd.grad((weight.reshape(z.shape) * z).sum(), logits)
        for z in (at(value, matrices), at(value.flatten(-2), vectors))
    ]
    torch.testing.assert_close(*grads)


def test_one_component_is_that_component():
    loc, scale = parameter(1, 3), parameter(1, 3, offset=0.5)
    sample = normals(torch.zeros(1, dtype=torch.float64), loc, scale).rsample((100,))
    grads = torch.autograd.grad(sample.sum(), (loc, scale))
    expected = torch.full_like(loc, 100), ((sample - loc) / scale).sum(0, keepdim=True)
    torch.testing.assert_close(grads, expected)


def test_draws_and_gradients_of_moments_of_scalars():
    # 20,000 draws; E[z] and E[z²] in closed form
    logits, loc, scale = ([0.3, -0.5, 0.0], [-1.0, 0.5, 2.0], [0.6, 1.0, 0.8])
    many = [torch.tensor(x, dtype=torch.float64).repeat(DRAWS, 1).requires_grad_() for x in (logits, loc, scale)]
    one = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (logits, loc, scale)]
    sample, q = normals(*many).rsample(), normals(*one)
    assert_law(q.cdf(sample), scipy.stats.uniform.cdf)
    for function, expected in ((sample, q.mean), (sample**2, q.variance + q.mean**2)):
        grads = torch.autograd.grad(function.sum(), many, retain_graph=True)
        truths = torch.autograd.grad(expected, one, retain_graph=True, materialize_grads=True)
        for grad, truth in zip(grads, truths, strict=True):
            assert_mean(grad, truth)


def test_draws_and_gradients_of_moments_of_vectors():
    # E[z_i] and E[z_0 z_1] in closed form
    logits, loc, scale = [0.3, -0.5], [[-1.0, 0.5], [1.0, -0.2]], [[0.8, 1.0], [1.2, 0.7]]
    many = [
        torch.tensor(x, dtype=torch.float64).expand(DRAWS, *torch.tensor(x).shape).clone().requires_grad_()
        for x in (logits, loc, scale)
    ]
    one = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (logits, loc, scale)]
    sample, q = normals(*many).rsample(), normals(*one)
    assert_mean(sample, q.mean)
    product = (one[0].softmax(-1) * one[1].prod(-1)).sum()
    cases = (sample[:, 0], q.mean[0]), (sample[:, 1], q.mean[1]), (sample.prod(-1), product)
    for function, expected in cases:
        grads = torch.autograd.grad(function.sum(), many, retain_graph=True, materialize_grads=True)
        truths = torch.autograd.grad(expected, one, retain_graph=True, materialize_grads=True)
        for grad, truth in zip(grads, truths, strict=True):
            assert_mean(grad, truth)


def test_fifty_dimensions():
    # in float32; E[z] = Σ π_k loc_k, and the sum of the gradients in loc is one in every draw
    logits, loc, scale = torch.zeros(4), torch.randn(4, 50) * 0.2, torch.ones(4, 50)
    many = [x.expand(400, *x.shape).clone().requires_grad_() for x in (logits, loc, scale)]
    sample = normals(*many).rsample()
    grads = torch.autograd.grad(sample.sum(), many)
    assert all(grad.isfinite().all() for grad in grads)
    assert_mean(grads[1].sum(1), torch.ones(50))


def test_mixtures_of_gammas():
    concentration, rate = parameter(3, offset=0.5), parameter(3, offset=1.0)
    probs = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    many = [p.detach().repeat(5000, 1).requires_grad_() for p in (concentration, rate)]
    sample = MixtureSameFamily(Categorical(probs.expand(5000, 3)), Gamma(*many)).rsample()
    one = MixtureSameFamily(Categorical(probs), Gamma(concentration, rate))
    for values, moment in ((sample, one.mean), (sample**2, one.variance + one.mean**2)):
        grads = torch.autograd.grad(values.sum(), many, retain_graph=True)
        expected = torch.autograd.grad(moment, (concentration, rate), retain_graph=True)
        for grad, truth in zip(grads, expected, strict=True):
            assert_mean(grad, truth)


def test_drop_in_for_torch():
    mixture, components = Categorical(torch.rand(4, 3)), Normal(torch.randn(4, 3), torch.rand(3) + 0.5)
    ours, theirs = (
        MixtureSameFamily(mixture, components, validate_args=True),
        torch.distributions.MixtureSameFamily(mixture, components),
    )
    value = theirs.sample((5,))
    assert ours.sample((5,)).shape == ours.rsample((5,)).shape == value.shape
    for method in ("log_prob", "cdf"):
        torch.testing.assert_close(getattr(ours, method)(value), getattr(theirs, method)(value))
    torch.testing.assert_close(ours.survival_function(value), 1 - theirs.cdf(value))
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)
    expanded = ours.expand((2, 4))
    assert type(expanded) is MixtureSameFamily
    assert expanded.rsample((3,)).shape == (3, 2, 4)
    with pytest.raises(ValueError, match="does not equal"):
        MixtureSameFamily(Categorical(torch.ones(2)), components)


def test_one_set_of_weights_for_a_batch_of_components():
    q = MixtureSameFamily(Categorical(torch.tensor([0.0, 1.0, 0.0])), Independent(Normal(torch.randn(4, 3, 2), 1e-3), 1))
    sample = q.rsample((50,))
    assert sample.shape == (50, 4, 2)
    # it is always the middle one, and the picks are independent else
    assert (sample - q.component_distribution.base_dist.loc[:, 1]).abs().max() < 0.01
    even = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([[0.0, 10.0]] * 100), 1.0))
    assert 20 < (even.sample() > 5).sum() < 80


@pytest.mark.parametrize("family", [Normal, torch.distributions.Normal])
def test_a_generator_reproduces_draws(family: type[torch.distributions.Normal]):
    q = MixtureSameFamily(Categorical(torch.ones(3)), family(torch.arange(3.0), 1.0))
    first, second = (q.rsample((20,), generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    generator = torch.Generator().manual_seed(1)
    assert not torch.equal(q.sample((20,), generator), q.sample((20,), generator))


def test_components_that_have_no_gradient():
    weights = Categorical(torch.ones(2))
    dependent = MixtureSameFamily(weights, MultivariateNormal(torch.zeros(2, 3), torch.eye(3)))
    assert not dependent.has_rsample
    assert dependent.log_prob(dependent.sample((4,))).shape == (4,)
    with pytest.raises(ValueError, match="Independent over scalars, but MultivariateNormal"):
        dependent.rsample()
    with pytest.raises(TypeError, match="discrete"):
        MixtureSameFamily(weights, Poisson(torch.ones(2))).rsample()
    with pytest.raises(TypeError, match="no cdf"):
        MixtureSameFamily(weights, StudentT(torch.ones(2))).rsample()
    assert normals(torch.ones(2), torch.ones(2), torch.ones(2)).has_rsample


@pytest.mark.parametrize("event", [(), (2,)])
def test_second_derivatives_raise(event: tuple[int, ...]):
    loc = parameter(3, *event)
    sample = normals(torch.zeros(3, dtype=torch.float64), loc, torch.ones_like(loc)).rsample()
    (grad,) = torch.autograd.grad(sample.square().sum(), loc, create_graph=True)
    with pytest.raises(NotImplementedError):
        torch.autograd.grad(grad.sum(), loc)


def draw(logits: torch.Tensor, loc: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return normals(logits, loc, scale, validate_args=False).rsample((50,))


@pytest.mark.parametrize("event", [(), (2,)])
def test_under_vmap(event: tuple[int, ...]):
    parameters = torch.zeros(4, 3), torch.zeros(4, 3, *event), torch.ones(4, 3, *event)
    grad = torch.func.vmap(torch.func.grad(lambda *p: draw(*p).mean(0).sum(), 1), randomness="different")(*parameters)
    torch.testing.assert_close(grad.sum(1), torch.ones(4, *event))
    value = torch.zeros(event)
    mapped = torch.func.vmap(lambda *p: normals(*p, validate_args=False).log_prob(value))(*parameters)
    torch.testing.assert_close(mapped, normals(*parameters).log_prob(value))


@pytest.mark.parametrize(("event", "backend"), [pytest.param((), "inductor", marks=pytest.mark.compiler), ((2,), "aot_eager")])
def test_under_compile(event: tuple[int, ...], backend: str):
    parameters = [p.requires_grad_() for p in (torch.zeros(3), torch.zeros(3, *event), torch.ones(3, *event))]
    sample = torch.compile(draw, fullgraph=True, dynamic=False, backend=backend)(*parameters)
    grads = torch.autograd.grad(sample.sum(), parameters)
    torch.testing.assert_close(grads[1].sum(0), torch.full(event, 50.0))
    torch.testing.assert_close(grads[2].sum(0), sample.detach().sum(0), rtol=1e-4, atol=1e-4)
