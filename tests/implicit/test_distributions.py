"""The interface, densities, moments and divergences of every distribution in the registry."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.implicit.distributions import __all__ as names
from tests.implicit.registry import REGISTRY, Row
from tests.implicit.selection import DTYPES, SPHERICAL, every, those
from tests.statistics import DRAWS, assert_mean

PROBABILITIES = np.array([1e-6, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])

with_scipy = those(lambda row: row.scipy and not row.project)


def points(row: Row) -> Tensor:
    """Quantiles of a univariate distribution at each parameter set of the grid, of shape (quantile, grid)."""
    assert row.scipy is not None
    return torch.tensor(np.stack([row.scipy(*parameters).ppf(PROBABILITIES) for parameters in row.grid], -1))


def scipy_values(row: Row, method: str, value: Tensor) -> Tensor:
    assert row.scipy is not None
    columns = [getattr(row.scipy(*p), method)(value[:, i].numpy()) for i, p in enumerate(row.grid)]
    return torch.tensor(np.stack(columns, -1))


def test_every_distribution_has_a_row():
    untested = set(names) - set(REGISTRY)
    assert untested == {"HypersphericalUniform"}  # no parameters; see test_von_mises_fisher.py


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
    if row.peer not in (td.MixtureSameFamily, td.Wishart, td.LKJCholesky):  # made of other arguments than the row's
        theirs: Any = row.peer(*row.parameters())
        assert (theirs.batch_shape, theirs.event_shape) == (q.batch_shape, q.event_shape)
        value = q.sample()
        torch.testing.assert_close(q.log_prob(value), theirs.log_prob(value), rtol=1e-5, atol=1e-5)
        assert set(theirs.arg_constraints) == set(q.arg_constraints)


@those(lambda row: row.invalid)
def test_invalid_parameters_are_rejected(name: str):
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
    # SciPy approximates the von Mises distribution by a normal at large concentrations; test_special.py tests ours
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
        pytest.skip("SciPy's moments are not circular, or it has no such distribution")
    assert row.scipy is not None
    for ours, theirs in (("mean", "mean"), ("variance", "var")):
        expected = torch.tensor([float(getattr(row.scipy(*p), theirs)()) for p in row.grid])
        exists = expected.isfinite()
        torch.testing.assert_close(getattr(q, ours)[exists], expected.double()[exists], rtol=2e-7, atol=1e-9)
    try:
        ours = q.entropy()
    except NotImplementedError:
        return  # no closed form
    entropy = torch.tensor([float(row.scipy(*p).entropy()) for p in row.grid]).double()
    torch.testing.assert_close(ours, entropy, rtol=1e-6, atol=1e-6)


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
        assert (~inside | (q.log_prob(there) <= here + 1e-9)).all()


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
    if name in SPHERICAL:
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
    if name in SPHERICAL:
        pytest.skip("its loc is a unit vector, which a difference is not: see test_von_mises_fisher.py")
    parameters = [p.requires_grad_() for p in row.parameters()]
    value = row.make(*parameters).sample()
    assert torch.autograd.gradcheck(lambda *p: row.make(*p, validate_args=False).log_prob(value), parameters, atol=1e-4)


METHODS = ("log_prob", "cdf", "survival_function", "entropy", "mean", "variance", "mode")
IN_HALF = (
    *("InverseGaussian", "LKJCholesky", "InverseWishart", "SkewNormal", "TwoPieceNormal", "GeneralizedGamma"),
    *("Weibull", "Gumbel", "BetaPrime", "PowerSpherical", "Copula"),
)


@pytest.mark.parametrize("name", IN_HALF)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_in_every_method(name: str, dtype: torch.dtype):
    q = REGISTRY[name].grid_distribution(dtype, validate_args=False)
    sample = q.sample((3,))
    for method in METHODS:
        try:
            function = getattr(q, method)
            value = function(sample) if method in METHODS[:3] else function() if callable(function) else function
        except (NotImplementedError, AttributeError):
            continue
        assert value.dtype == dtype, method
        assert not value.isnan().any(), method
