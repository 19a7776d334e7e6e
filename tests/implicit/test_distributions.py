"""Every distribution of the registry. A statistical test passes below |z| = 5: one false alarm in two million."""

import math
from typing import Any

import hypothesis
import numpy as np
import pytest
import scipy.stats
import torch
import torch.distributions as td
from hypothesis import strategies
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.implicit.distributions import __all__ as names
from tests.implicit.registry import REGISTRY, Row

DRAWS = 20_000
PROBABILITIES = np.array([1e-6, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
DTYPES = [torch.float32, torch.float64]
UNIT_INTERVAL = ("Beta", "Kumaraswamy", "Dirichlet")

every = pytest.mark.parametrize("name", REGISTRY)


def those(condition: Any) -> Any:
    """The rows for which a condition holds."""
    return pytest.mark.parametrize("name", [name for name, row in REGISTRY.items() if condition(row)])


with_scipy = those(lambda row: row.scipy and not row.project)


def assert_mean(samples: Tensor, expected: Tensor | float) -> None:
    samples = samples.double()
    error = (samples.mean(0) - expected) / (samples.std(0) / len(samples) ** 0.5)
    assert error.abs().max() < 5, f"z-score {error.abs().max():.1f}"


def points(row: Row) -> Tensor:
    """Quantiles of each parameter set of the grid, for a univariate distribution: (quantile, grid)."""
    assert row.scipy is not None
    return torch.tensor(np.stack([row.scipy(*parameters).ppf(PROBABILITIES) for parameters in row.grid], -1))


def scipy_values(row: Row, method: str, value: Tensor) -> Tensor:
    assert row.scipy is not None
    columns = [getattr(row.scipy(*p), method)(value[:, i].numpy()) for i, p in enumerate(row.grid)]
    return torch.tensor(np.stack(columns, -1))


def test_every_distribution_has_a_row():
    untested = set(names) - set(REGISTRY)
    assert untested == {"HypersphericalUniform"}  # it has no parameters; see test_von_mises_fisher.py


@every
@pytest.mark.parametrize("dtype", DTYPES)
def test_samples_have_shape_dtype_and_support(name: str, dtype: torch.dtype):
    q = REGISTRY[name].grid_distribution(dtype)
    sample = q.rsample((5, 2))
    assert sample.shape == (5, 2, *q.batch_shape, *q.event_shape)
    assert sample.dtype == dtype
    assert q.support.check(sample).all()
    assert q.log_prob(sample).isfinite().all()
    assert not q.sample().requires_grad


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_keep_their_dtype(name: str, dtype: torch.dtype):
    q = REGISTRY[name].grid_distribution(dtype, validate_args=False)
    sample = q.rsample((3,))
    assert sample.dtype == dtype
    assert sample.isfinite().all()


@every
def test_expand(name: str):
    q = REGISTRY[name].grid_distribution()
    expanded = q.expand((3, *q.batch_shape))
    assert type(expanded) is type(q)
    sample = expanded.rsample((2,))
    assert sample.shape == (2, 3, *q.batch_shape, *q.event_shape)
    torch.testing.assert_close(expanded.log_prob(sample), q.log_prob(sample))


@those(lambda row: not row.project and row.peer is not td.MixtureSameFamily and all(map(np.isscalar, row.grid[0])))
def test_parameters_broadcast(name: str):
    row = REGISTRY[name]
    first, *others = row.parameters()
    q = row.make(first[:, None], *others)
    assert q.batch_shape == (len(row.grid), len(row.grid if others else [0]))
    assert q.rsample((3,)).shape == (3, *q.batch_shape)


@those(lambda row: row.peer)
def test_drop_in_for_torch(name: str):
    row = REGISTRY[name]
    q = row.grid_distribution()
    assert row.peer is not None
    assert isinstance(q, row.peer)
    if row.peer not in (td.MixtureSameFamily, td.Wishart):
        theirs: Any = row.peer(*row.parameters())
        assert (theirs.batch_shape, theirs.event_shape) == (q.batch_shape, q.event_shape)
        value = q.sample()
        torch.testing.assert_close(q.log_prob(value), theirs.log_prob(value), rtol=1e-5, atol=1e-5)
        assert set(theirs.arg_constraints) == set(q.arg_constraints)


@those(lambda row: row.invalid)
def test_invalid_parameters_are_refused(name: str):
    row = REGISTRY[name]
    with pytest.raises(ValueError, match=r"constraint|low must be below high|expected to be greater"):
        row.make(*row.parameters((row.invalid,)), validate_args=True)


@with_scipy
def test_log_prob_against_scipy(name: str):
    row = REGISTRY[name]
    value = points(row)
    torch.testing.assert_close(
        row.grid_distribution().log_prob(value), scipy_values(row, "logpdf", value), rtol=1e-10, atol=1e-9
    )


@with_scipy
def test_cdf_against_scipy(name: str):
    row = REGISTRY[name]
    value, q = points(row), row.grid_distribution()
    # SciPy's von Mises is the normal approximation at large concentrations: see test_special.py for ours
    tolerance = 1e-5 if name == "VonMises" else 1e-12
    cdf = q.cdf(value)
    torch.testing.assert_close(cdf, scipy_values(row, "cdf", value), rtol=0, atol=tolerance)
    if hasattr(q, "survival_function"):
        torch.testing.assert_close(q.survival_function(value), 1 - cdf, rtol=0, atol=1e-13)


@with_scipy
def test_the_density_is_the_slope_of_the_cdf(name: str):
    row = REGISTRY[name]
    value, q = points(row).requires_grad_(), row.grid_distribution()
    (slope,) = torch.autograd.grad(q.cdf(value).sum(), value)
    torch.testing.assert_close(slope, q.log_prob(value).exp(), rtol=1e-9, atol=1e-12)


@with_scipy
def test_moments_and_entropy_against_scipy(name: str):
    row, q = REGISTRY[name], REGISTRY[name].grid_distribution()
    if name in ("VonMises", "MixtureSameFamily"):
        pytest.skip("SciPy's moments are not of the circle, or it has no such distribution")
    assert row.scipy is not None
    for ours, theirs in (("mean", "mean"), ("variance", "var")):
        expected = torch.tensor([float(getattr(row.scipy(*p), theirs)()) for p in row.grid])
        exists = expected.isfinite()
        torch.testing.assert_close(getattr(q, ours)[exists], expected.double()[exists], rtol=2e-7, atol=1e-9)
    entropy = torch.tensor([float(row.scipy(*p).entropy()) for p in row.grid]).double()
    torch.testing.assert_close(q.entropy(), entropy, rtol=1e-6, atol=1e-6)


@every
def test_entropy_is_the_mean_surprise(name: str):
    q = REGISTRY[name].grid_distribution()
    try:
        entropy = q.entropy()
    except NotImplementedError:
        pytest.skip("no entropy")
    assert_mean(-q.log_prob(q.sample((DRAWS,))), entropy)


@those(lambda row: not row.project)
def test_the_mode_is_the_maximum(name: str):
    q = REGISTRY[name].grid_distribution()
    try:
        mode = q.mode
    except NotImplementedError:
        pytest.skip("no mode")
    inside = mode.isfinite() & q.support.check(mode)
    here = q.expand(mode.shape).log_prob(torch.where(inside, mode, q.sample()))
    for step in (-1e-3, 1e-3):
        moved = mode + step * q.sample((100,)).std(0)
        there = torch.where(q.support.check(moved), moved, mode)
        there = torch.where(inside, there, q.sample())
        assert (~inside | (q.log_prob(there) <= here + 1e-12)).all()


DRAW_CASES = [(name, parameters) for name, row in REGISTRY.items() if row.scipy for parameters in row.draws]


@pytest.mark.parametrize(("name", "parameters"), DRAW_CASES, ids=lambda value: str(value))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_draws_follow_the_distribution(name: str, parameters: tuple[Any, ...], dtype: torch.dtype):
    row = REGISTRY[name]
    assert row.scipy is not None
    draws = row.make(*row.parameters((parameters,), dtype)).sample((DRAWS,))
    assert draws.isfinite().all()
    value = (row.project(draws.double()) if row.project else draws.double()).reshape(-1).sort().values
    limits = torch.finfo(dtype)
    inside = torch.ones_like(value, dtype=torch.bool)
    if row.clamps:  # and the square of larger numbers overflows in SciPy's t
        inside = (value.abs() > limits.tiny * 2) & (value.abs() < min(limits.max / 2, 1e150))
    if name in UNIT_INTERVAL:  # next to 1 floats are eps apart
        inside &= value < 1 - 2 * limits.eps
    # the distance of Kolmogorov & Smirnov, wherever a draw is within the dtype's range
    rank = torch.arange(DRAWS, dtype=torch.float64)
    cdf = torch.tensor(row.scipy(*parameters).cdf(value.numpy()))
    distance = torch.maximum((rank + 1) / DRAWS - cdf, cdf - rank / DRAWS)[inside].max() if inside.any() else torch.zeros(())
    assert scipy.stats.kstwo(DRAWS).sf(distance.item()) > 5e-7
    if dtype == torch.float64:
        coarse = value > 0.5 if name in UNIT_INTERVAL else ~inside
        assert len(value[inside & ~coarse].unique()) == (inside & ~coarse).sum()


@those(lambda row: row.expectations)
def test_pathwise_gradients_of_expectations(name: str):
    row = REGISTRY[name]
    for label, (statistic, expectation) in row.expectations.items():
        parameters = [p.requires_grad_() for p in row.parameters()]
        exact = (expectation or numerical_expectation(row, statistic))(*parameters)
        exact_grads = torch.autograd.grad(exact.sum(), parameters, allow_unused=True)
        copies = [p.detach().expand(DRAWS, *p.shape).clone().requires_grad_() for p in parameters]
        values = statistic(row.make(*copies).rsample())
        grads = torch.autograd.grad(values.sum(), copies, allow_unused=True)
        assert_mean(values.detach(), exact.detach())
        for grad, exact_grad in zip(grads, exact_grads, strict=True):
            if grad is not None and grad.abs().max() > 0:
                spread = grad.std(0) > 1e-9 * grad.abs().amax(0)  # the others are the same in every draw
                target = torch.zeros_like(grad[0]) if exact_grad is None else exact_grad
                error = (grad.mean(0) - target) / (grad.std(0) / DRAWS**0.5)
                assert (error[spread].abs() < 5).all(), f"{label}: z-scores {error}"
                torch.testing.assert_close(grad.mean(0)[~spread], target[~spread])


def numerical_expectation(row: Row, statistic: Any) -> Any:
    """E[f(z)] as a function of the parameters, by the trapezium rule on the density."""

    def expectation(*parameters: Tensor) -> Tensor:
        # z = e^x or sinh x: the rule converges exponentially fast
        x = torch.linspace(-40, 40, 8001, dtype=torch.float64).unsqueeze(-1)
        q = row.make(*parameters, validate_args=False)
        z, slope = (x.exp(), x.exp()) if q.support is td.constraints.positive else (x.sinh(), x.cosh())
        return (statistic(z) * q.log_prob(z).exp() * slope).sum(0) * 0.01

    return expectation


KL_CASES = [(name, *pair) for name, row in REGISTRY.items() for pair in row.divergences]


@pytest.mark.parametrize(("name", "p", "q"), KL_CASES, ids=str)
def test_divergence_is_the_mean_log_ratio(name: str, p: Any, q: Any):
    row = REGISTRY[name]
    first, second = row.make(*row.parameters((p,))), row.make(*row.parameters((q,)))
    sample = first.sample((DRAWS,))
    assert_mean(first.log_prob(sample) - second.log_prob(sample), td.kl_divergence(first, second))
    torch.testing.assert_close(td.kl_divergence(first, first), torch.zeros(1, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "p", "q"), KL_CASES, ids=str)
def test_divergence_differentiates(name: str, p: Any, q: Any):
    row = REGISTRY[name]
    if name == "VonMisesFisher":
        pytest.skip("its loc is a unit vector, which a difference is not: see test_von_mises_fisher.py")
    first, second = ([x.requires_grad_() for x in row.parameters((values,))] for values in (p, q))

    def divergence(*parameters: Tensor) -> Tensor:
        half = len(parameters) // 2
        return td.kl_divergence(row.make(*parameters[:half]), row.make(*parameters[half:]))

    assert torch.autograd.gradcheck(divergence, (*first, *second))


def test_the_circle_has_a_uniform_distribution():
    concentration = torch.tensor([1e-3, 0.5, 20.0], dtype=torch.float64)
    p = implicit.VonMises(torch.tensor(0.3, dtype=torch.float64), concentration)
    circle = td.Uniform(*torch.tensor([-math.pi, math.pi], dtype=torch.float64))
    torch.testing.assert_close(td.kl_divergence(p, circle), math.log(2 * math.pi) - p.entropy())
    assert td.kl_divergence(p, td.Uniform(-1.0, 1.0)).isinf().all()
    single = implicit.VonMises(torch.tensor(0.0), torch.tensor(2.0))
    assert td.kl_divergence(single, td.Uniform(-math.pi, math.pi)).isfinite()


def test_student_t_has_no_divergence():
    p = implicit.StudentT(torch.tensor(3.0))
    with pytest.raises(NotImplementedError):
        td.kl_divergence(p, p)


@every
def test_log_prob_differentiates(name: str):
    row = REGISTRY[name]
    if name == "VonMisesFisher":
        pytest.skip("its loc is a unit vector, which a difference is not: see test_von_mises_fisher.py")
    parameters = [p.requires_grad_() for p in row.parameters()]
    value = row.make(*parameters).sample()
    assert torch.autograd.gradcheck(lambda *p: row.make(*p, validate_args=False).log_prob(value), parameters, atol=1e-4)


@every
def test_under_vmap(name: str):
    row = REGISTRY[name]
    parameters = row.parameters()
    value = row.make(*parameters).sample()

    def log_prob(value: Tensor, *parameters: Tensor) -> Tensor:
        return row.make(*parameters, validate_args=False).log_prob(value)

    def sample(*parameters: Tensor) -> Tensor:
        return row.make(*parameters, validate_args=False).rsample((50,))

    torch.testing.assert_close(torch.func.vmap(log_prob)(value, *parameters), row.make(*parameters).log_prob(value))
    draws = torch.func.vmap(sample, randomness="different")(*parameters)
    q = row.make(*parameters)
    assert draws.shape == (len(row.grid), 50, *q.event_shape)
    assert q.support.check(draws.movedim(1, 0)).all()
    repeated = torch.func.vmap(lambda _: sample(*(p[0] for p in parameters)), randomness="different")(torch.arange(3))
    assert not torch.equal(repeated[0], repeated[1])


@every
def test_forward_and_reverse_mode_agree(name: str):
    row = REGISTRY[name]
    parameters = tuple(row.parameters())
    tangents = tuple(torch.randn_like(p) for p in parameters)

    def sample(*parameters: Tensor) -> Tensor:
        torch.manual_seed(1)
        return row.make(*parameters, validate_args=False).rsample()

    value, forward = torch.func.jvp(sample, parameters, tangents)
    again, pullback = torch.func.vjp(sample, *parameters)
    assert torch.equal(value, again)
    assert torch.equal(value, sample(*parameters))
    weight = torch.randn_like(value)
    reverse = sum((t * g).sum() for t, g in zip(tangents, pullback(weight), strict=True))
    torch.testing.assert_close((weight * forward).sum(), reverse)


@every
def test_second_derivatives_are_right_or_refused(name: str):
    row = REGISTRY[name]
    if name == "VonMisesFisher":
        pytest.skip("its loc is a unit vector, which a difference is not: see test_von_mises_fisher.py")
    weight = torch.randn_like(row.grid_distribution().sample())

    def gradient(*parameters: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(1)
        sample = row.make(*parameters, validate_args=False).rsample()
        grads = torch.autograd.grad((weight * sample**2).sum(), parameters, create_graph=True, allow_unused=True)
        return tuple(torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True))

    for index in range(len(row.grid[0])):
        parameters = row.parameters()
        parameters = [p.requires_grad_() for p in parameters]
        grad = gradient(*parameters)[index]
        if not grad.requires_grad:
            continue
        try:
            (second,) = torch.autograd.grad(grad.sum(), [parameters[index]])
        except NotImplementedError:
            continue
        # what may be differentiated twice is explicit: with the seed held, the sample is a smooth function of it
        ends, step = [], 1e-6
        for sign in (-1, 1):
            shifted = [p.detach().clone() for p in parameters]
            shifted[index] = shifted[index] + sign * step
            ends.append(gradient(*(p.requires_grad_() for p in shifted))[index])
        difference = (ends[1] - ends[0]).sum() / (2 * step)
        torch.testing.assert_close(second.sum(), difference, rtol=1e-4, atol=1e-4)


@every
def test_compiles_without_a_graph_break(name: str):
    row = REGISTRY[name]
    parameters = [p.requires_grad_() for p in row.parameters()]

    def objective(*parameters: Tensor) -> Tensor:
        q = row.make(*parameters, validate_args=False)
        sample = q.rsample((3,))
        weight = torch.linspace(-1, 2, sample.numel(), dtype=sample.dtype).reshape(sample.shape)
        return q.log_prob(sample.detach()).sum() + (weight * sample).sum()

    torch._dynamo.reset()
    td.Distribution.set_default_validate_args(False)  # as torch.compile does when it is first used
    compiled = torch.compile(objective, fullgraph=True, backend="aot_eager")
    torch.manual_seed(1)
    expected = torch.autograd.grad(objective(*parameters), parameters, allow_unused=True)
    torch.manual_seed(1)
    grads = torch.autograd.grad(compiled(*parameters), parameters, allow_unused=True)
    for grad, other in zip(grads, expected, strict=True):
        if grad is not None and other is not None:
            torch.testing.assert_close(grad, other)


@every
def test_generators_and_seeds_reproduce_draws(name: str):
    q = REGISTRY[name].grid_distribution()

    def draw(seed: int) -> Tensor:
        return q.sample((3,), generator=torch.Generator().manual_seed(seed))

    state = torch.get_rng_state()
    first, again, other = draw(1), draw(1), draw(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(5)
    first = q.sample()
    torch.manual_seed(5)
    assert torch.equal(first, q.sample())


@those(lambda row: row.range)
@hypothesis.settings(max_examples=25, deadline=None, derandomize=True, database=None)
@hypothesis.given(data=strategies.data())
def test_samples_and_gradients_at_the_extremes(name: str, data: strategies.DataObject):
    row = REGISTRY[name]
    for dtype in DTYPES:
        parameters = []
        for low, high in row.range:
            exponents = strategies.floats(math.log(low), math.log(high)) if low > 0 else strategies.floats(low, high)
            size = 3 if isinstance(row.grid[0][0], list) else 1
            values = [data.draw(exponents) for _ in range(size)]
            values = [math.exp(value) for value in values] if low > 0 else values
            parameters.append(torch.tensor(values, dtype=dtype).requires_grad_())
        torch.manual_seed(0)
        q = row.make(*parameters)
        sample = q.rsample((100,))
        assert q.support.check(sample).all()
        grads = torch.autograd.grad(sample.sum(), parameters, allow_unused=True)
        assert all(grad.isfinite().all() for grad in grads if grad is not None)


@pytest.mark.cuda
@every
def test_on_cuda(name: str):
    row = REGISTRY[name]
    parameters = [p.cuda().requires_grad_() for p in row.parameters()]
    q = row.make(*parameters)
    sample = q.rsample((1000,))
    assert sample.is_cuda
    assert q.support.check(sample).all()
    sample.sum().backward()
    torch.testing.assert_close(q.log_prob(sample).cpu(), row.make(*row.parameters()).log_prob(sample.cpu()))
