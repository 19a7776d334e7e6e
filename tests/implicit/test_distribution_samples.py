"""Every distribution of the registry: its draws and their gradients."""

import math
from typing import Any

import hypothesis
import pytest
import torch
import torch.distributions as td
from hypothesis import strategies
from torch import Tensor

from tests.implicit.registry import REGISTRY, Row
from tests.implicit.selection import DTYPES, UNIT_INTERVAL, every, those
from tests.statistics import DRAWS, assert_distance, assert_mean, seed

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
    assert_distance(distance, DRAWS)
    if dtype == torch.float64:
        coarse = value > 0.5 if name in UNIT_INTERVAL else ~inside
        assert len(value[inside & ~coarse].unique()) == (inside & ~coarse).sum()


@those(lambda row: row.expectations)
def test_pathwise_gradients_of_expectations(name: str):
    # 5,000 draws: a tenth of the standard deviation of one is noticed; pointwise, test_special.py compares dz/dφ with mpmath
    row = REGISTRY[name]
    for label, (statistic, expectation) in row.expectations.items():
        parameters = [p.requires_grad_() for p in row.parameters()]
        exact = (expectation or numerical_expectation(row, statistic))(*parameters)
        exact_grads = torch.autograd.grad(exact.sum(), parameters, allow_unused=True)
        copies = [p.detach().expand(5000, *p.shape).clone().requires_grad_() for p in parameters]
        values = statistic(row.make(*copies).rsample())
        grads = torch.autograd.grad(values.sum(), copies, allow_unused=True)
        assert_mean(values, exact, label=label)
        for grad, exact_grad in zip(grads, exact_grads, strict=True):
            if grad is not None:
                assert_mean(grad, torch.zeros_like(grad[0]) if exact_grad is None else exact_grad, label=label)


def numerical_expectation(row: Row, statistic: Any) -> Any:
    """E[f(z)] as a function of the parameters, by the trapezium rule on the density."""

    def expectation(*parameters: Tensor) -> Tensor:
        # z = e^x or sinh x: the rule converges exponentially fast
        x = torch.linspace(-40, 40, 8001, dtype=torch.float64).unsqueeze(-1)
        q = row.make(*parameters, validate_args=False)
        z, slope = (x.exp(), x.exp()) if q.support is td.constraints.positive else (x.sinh(), x.cosh())
        return (statistic(z) * q.log_prob(z).exp() * slope).sum(0) * 0.01

    return expectation


@every
def test_generators_and_seeds_reproduce_draws(name: str):
    q = REGISTRY[name].grid_distribution()

    def draw(number: int) -> Tensor:
        return q.sample((3,), generator=torch.Generator().manual_seed(number))

    state = torch.get_rng_state()
    first, again, other = draw(1), draw(1), draw(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    seed(5)
    first = q.sample()
    seed(5)
    assert torch.equal(first, q.sample())


@those(lambda row: row.range)
@hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # it fails on a busy machine
)
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
        seed()
        q = row.make(*parameters)
        sample = q.rsample((100,))
        assert q.support.check(sample).all()
        grads = torch.autograd.grad(sample.sum(), parameters, allow_unused=True)
        assert all(grad.isfinite().all() for grad in grads if grad is not None)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("BetaPrime", (0.005, 0.01)),
        ("FisherSnedecor", (0.02, 0.03)),
        ("GeneralizedGamma", (1.0, 1.0, 0.005)),
        ("InverseGamma", (0.01, 2.0)),
        ("StudentT", (0.01, 1.0, 2.0)),
        ("StudentT", (0.1, -1.0, 1e20)),
        ("Weibull", (1.0, 0.005)),
    ],
)
def test_gradients_are_never_nan_where_draws_leave_the_range(name: str, parameters: tuple[float, ...]):
    """Saturated draws have the gradient 0 in the shape; other derivatives may be infinite, but a gradient of 0 stays 0."""
    seed()
    arguments = [torch.full((4000,), value, requires_grad=True) for value in parameters]
    sample = REGISTRY[name].make(*arguments).rsample()
    saturated = sample.detach().abs() == torch.finfo(sample.dtype).max
    assert 0 < saturated.sum() < 4000
    grads = torch.autograd.grad(sample.sum(), arguments, retain_graph=True)
    assert not any(grad.isnan().any() for grad in grads)
    shape = grads[-1] if name in ("GeneralizedGamma", "Weibull") else grads[0]
    assert (shape[saturated] == 0).all()
    assert all((grad == 0).all() for grad in torch.autograd.grad((0 * sample).sum(), arguments))


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
