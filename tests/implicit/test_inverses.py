"""The inverses of distribution functions: values against mpmath, edges against SciPy, derivatives and transformations."""

import importlib
import math
from collections.abc import Callable
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from torch import Tensor

from irg_experiments.implicit import special
from tests.truth.tables import table

INF, NAN = math.inf, math.nan


class Example(NamedTuple):
    """Arguments inside the domain, and at its edges and outside; ``reference`` is SciPy's function where edges agree."""

    arguments: tuple[tuple[float, ...], ...]
    edges: tuple[tuple[float, ...], ...]
    reference: Callable[..., float]


GAMMA_ARGUMENTS = tuple((a, p) for a in (0.03, 0.7, 1.0, 2.5, 300.0) for p in (1e-4, 0.3, 0.5, 0.97))
GAMMA_EDGES = (
    *((2.0, 0.0), (2.0, 1.0), (2.0, -0.1), (2.0, 1.1), (2.0, NAN), (NAN, 0.5), (-1.0, 0.5), (-1.0, 0.0)),
    *((0.0, 0.5), (0.0, 0.0), (0.0, 1.0), (INF, 0.5), (INF, 0.0), (INF, 1.0)),
)
BETA_ARGUMENTS = tuple((a, b, p) for a in (0.2, 1.0, 30.0) for b in (0.5, 2.0, 200.0) for p in (0.01, 0.3, 0.5, 0.9))
BETA_EDGES = (
    *((2.0, 3.0, 0.0), (2.0, 3.0, 1.0), (2.0, 3.0, -0.1), (2.0, 3.0, 1.1), (2.0, 3.0, NAN), (NAN, 1.0, 0.5)),
    *((0.0, 1.0, 0.5), (1.0, 0.0, 0.5), (-1.0, 1.0, 0.5), (1.0, -1.0, 0.5), (INF, 1.0, 0.5), (1.0, INF, 0.5)),
)
STUDENT_ARGUMENTS = tuple((df, p) for df in (0.3, 1.0, 4.5, 30.0, 2000.0) for p in (1e-3, 0.2, 0.4, 0.6, 0.95))
STUDENT_EDGES = (
    *((3.0, 0.0), (3.0, 1.0), (3.0, 0.5), (3.0, -0.1), (3.0, 1.1), (3.0, NAN), (NAN, 0.5), (0.0, 0.5), (-1.0, 0.5)),
    *((INF, 0.3), (INF, 0.0), (INF, 1e-20), (INF, 1.0)),
)
CIRCLE_ARGUMENTS = tuple((p, k) for p in (1e-3, 0.2, 0.4, 0.7, 0.99) for k in (0.0, 0.1, 2.0, 9.0, 60.0))
CIRCLE_EDGES = ((0.0, 2.0), (1.0, 2.0), (0.5, 2.0), (-0.1, 2.0), (1.1, 2.0), (NAN, 2.0), (0.3, -1.0), (0.3, NAN), (0.3, 0.0))
NORMAL = tuple((p,) for p in (1e-20, 1e-3, 0.3, 0.5, 0.9)), tuple((p,) for p in (0.0, 1.0, -0.1, 1.1, NAN))


def circle_ppf(p: float, concentration: float) -> float:
    """SciPy's quantile, but with the ends of the circle, not of the line."""
    return {0.0: -math.pi, 1.0: math.pi}.get(p, scipy.stats.vonmises.ppf(p, concentration))


def logarithm(function: Callable[..., float]) -> Callable[..., float]:
    return lambda *arguments: float(np.log(function(*arguments)))


EXAMPLES = {
    "gammaincinv": Example(GAMMA_ARGUMENTS, GAMMA_EDGES, scipy.special.gammaincinv),
    "gammainccinv": Example(GAMMA_ARGUMENTS, GAMMA_EDGES, scipy.special.gammainccinv),
    "log_gammaincinv": Example(GAMMA_ARGUMENTS, GAMMA_EDGES, logarithm(scipy.special.gammaincinv)),
    "log_gammainccinv": Example(GAMMA_ARGUMENTS, GAMMA_EDGES, logarithm(scipy.special.gammainccinv)),
    "betaincinv": Example(BETA_ARGUMENTS, BETA_EDGES, scipy.special.betaincinv),
    "logit_betaincinv": Example(
        BETA_ARGUMENTS, BETA_EDGES[:-2], lambda *x: float(scipy.special.logit(scipy.special.betaincinv(*x)))
    ),
    # the function of scipy.special is infinite, not minus infinite, at p = 0
    "log_fdtri": Example(BETA_ARGUMENTS, BETA_EDGES[:-2], lambda df1, df2, p: float(np.log(scipy.stats.f.ppf(p, df1, df2)))),
    "stdtrit": Example(STUDENT_ARGUMENTS, STUDENT_EDGES, lambda df, p: scipy.stats.t.ppf(p, df)),
    "von_mises_icdf": Example(CIRCLE_ARGUMENTS, CIRCLE_EDGES, circle_ppf),
    "ndtri": Example(*NORMAL, scipy.special.ndtri),
}
every_function = pytest.mark.parametrize("name", EXAMPLES)


def columns(rows: tuple[tuple[float, ...], ...], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return list(torch.tensor(rows, dtype=dtype).T)


# functions whose value may be small while its error is relative to 1
LOGARITHMS = ("log_gammaincinv", "logit_betaincinv")


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-7)])
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in ("ndtri", "log_gammainccinv", "log_fdtri")])
def test_values_against_mpmath(name: str, dtype: torch.dtype, tolerance: float):
    *arguments, expected = table("quantiles", name)
    limits = torch.finfo(dtype)
    exact = (expected == 0) | ((expected.abs() > limits.tiny) & (expected.abs() < limits.max))
    for argument in arguments:
        exact &= argument.to(dtype) == argument
    assert exact.sum() > (80 if dtype == torch.float64 else 50)
    value = getattr(special, name)(*(argument[exact].to(dtype) for argument in arguments))
    assert value.dtype == dtype
    expected = expected[exact]
    scale = expected.abs().clamp(min=1.0 if name in LOGARITHMS else 0.0)
    assert ((value.double() - expected).abs() <= tolerance * scale).all()


@every_function
def test_edges_against_scipy(name: str):
    rows, function = EXAMPLES[name].edges, getattr(special, name)
    with np.errstate(all="ignore"):
        expected = torch.tensor([float(EXAMPLES[name].reference(*row)) for row in rows], dtype=torch.float64)
    torch.testing.assert_close(function(*columns(rows)), expected, rtol=1e-14, atol=0, equal_nan=True)
    single = function(*columns(rows, torch.float32))
    torch.testing.assert_close(single, expected.float(), rtol=1e-6, atol=0, equal_nan=True)


@every_function
def test_gradients_at_the_edges_are_not_nan(name: str):
    rows = tuple(row for row in EXAMPLES[name].edges if not math.isnan(float(getattr(special, name)(*columns((row,))))))
    arguments = [column.requires_grad_() for column in columns(rows)]
    for grad in torch.autograd.grad(getattr(special, name)(*arguments).sum(), arguments):
        inside = torch.stack(arguments).isfinite().all(0) & (torch.stack(arguments[:1]) > 0).all(0)
        assert not grad[inside].isnan().any()


@every_function
def test_derivatives_in_every_argument(name: str):
    arguments = [column.requires_grad_() for column in columns(EXAMPLES[name].arguments[: None if name != "ndtri" else 4])]
    if name == "von_mises_icdf":  # the concentration has an end
        arguments[1] = (arguments[1] + 0.01).detach().requires_grad_()
    if name == "ndtri":
        arguments = [column[1:].detach().requires_grad_() for column in arguments]
    function = getattr(special, name)
    assert torch.autograd.gradcheck(function, arguments, eps=1e-7, atol=1e-5, rtol=1e-4, check_forward_ad=True)


SECOND = {
    "gammaincinv": ((0.7, 0.3), (2.5, 0.5)),
    "gammainccinv": ((0.7, 0.3), (2.5, 0.5)),
    "betaincinv": ((2.3, 1.7, 0.3), (0.4, 2.0, 0.2)),
    "log_fdtri": ((2.3, 1.7, 0.3), (0.4, 2.0, 0.2)),
    "stdtrit": ((3.0, 0.5), (4.5, 0.2)),
    "von_mises_icdf": ((0.3, 2.0), (0.6, 0.4)),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_in_every_pair_of_arguments(name: str):
    arguments = [column.requires_grad_() for column in columns(SECOND[name])]
    assert torch.autograd.gradgradcheck(getattr(special, name), arguments, eps=1e-6, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "cdf"),
    [
        ("gammaincinv", special.gammainc),
        ("gammainccinv", special.gammaincc),
        ("betaincinv", special.betainc),
        ("stdtrit", special.stdtr),
        ("von_mises_icdf", lambda concentration, x: special.von_mises_cdf(x, concentration)),
    ],
)
def test_derivatives_are_those_of_the_implicit_rule(name: str, cdf: Callable[..., Tensor]):
    """dx/dp = 1/(∂F/∂x) and dx/dφ = −(∂F/∂φ)/(∂F/∂x), with the derivatives of the distribution function."""
    arguments = [column.requires_grad_() for column in columns(EXAMPLES[name].arguments)]
    x = getattr(special, name)(*arguments)
    grads = list(torch.autograd.grad(x.sum(), arguments))
    place = 0 if name == "von_mises_icdf" else len(arguments) - 1
    to_probability = grads.pop(place)
    parameters = [argument for i, argument in enumerate(arguments) if i != place]
    point = x.detach().requires_grad_()
    *slopes, density = torch.autograd.grad(cdf(*parameters, point).sum(), [*parameters, point])
    torch.testing.assert_close(to_probability * density, torch.ones_like(density), rtol=1e-9, atol=0)
    for grad, slope in zip(grads, slopes, strict=True):
        torch.testing.assert_close(grad, -slope / density, rtol=1e-9, atol=1e-12)


@every_function
def test_transformations_broadcasting_and_types(name: str):
    function, rows = getattr(special, name), EXAMPLES[name].arguments
    arguments = columns(rows)
    expected = function(*arguments)
    torch.testing.assert_close(torch.func.vmap(function)(*arguments), expected)
    if len(arguments) > 1:
        table = function(arguments[0][:, None], *arguments[1:])
        assert table.shape == (len(rows), len(rows))
        torch.testing.assert_close(table.diagonal(), expected)
        torch.testing.assert_close(function(arguments[0][0], *rows[0][1:]), expected[0])
    for dtype in (torch.float16, torch.bfloat16):
        half = [argument[1:3].to(dtype) for argument in arguments]
        assert function(*half).dtype == dtype
        torch.testing.assert_close(function(*half), function(*(argument.float() for argument in half)).to(dtype))
    assert function(*(argument[:0] for argument in arguments)).shape == (0,)
    per_sample = torch.func.vmap(torch.func.grad(function, argnums=tuple(range(len(arguments)))))(*arguments)
    leaves = [argument.clone().requires_grad_() for argument in arguments]
    for ours, theirs in zip(per_sample, torch.autograd.grad(function(*leaves).sum(), leaves), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_logarithms_continue_where_the_quantile_underflows():
    a, p = torch.tensor([1e-3, 1e-3], dtype=torch.float64), torch.tensor([1e-3, 0.1], dtype=torch.float64)
    assert (special.gammaincinv(a, p) == 0).all()
    leading = (p.log() + torch.lgamma(a + 1)) / a  # P = xᵃ/Γ(a + 1)
    a.requires_grad_()
    y = special.log_gammaincinv(a, p)
    torch.testing.assert_close(y.detach(), leading, rtol=1e-13, atol=0)
    torch.testing.assert_close(special.log_gammainccinv(a, 1 - p).detach(), leading, rtol=1e-11, atol=0)
    (grad,) = torch.autograd.grad(y.sum(), a)
    torch.testing.assert_close(grad, ((a + 1).digamma() - leading).detach() / a.detach(), rtol=1e-12, atol=0)


def test_log_odds_keep_the_digits_of_both_ends():
    a, b = torch.tensor([0.02, 3.0], dtype=torch.float64), torch.tensor([3.0, 0.02], dtype=torch.float64)
    p = torch.tensor([0.01, 0.99], dtype=torch.float64)
    s = special.logit_betaincinv(a, b, p)
    torch.testing.assert_close(s[0], -s[1], rtol=1e-12, atol=0)  # as 0.99 is not quite 1 − 0.01
    assert s[0] < -200
    assert special.betaincinv(a, b, p)[1] == 1


def test_log_fdtri_is_the_quantile_of_the_f_distribution():
    df1, df2, p = columns(((0.7, 3.0, 1e-6), (4.0, 0.3, 0.4), (30.0, 8.0, 0.9)))
    expected = torch.tensor([scipy.stats.f.ppf(*row) for row in zip(p.tolist(), df1.tolist(), df2.tolist(), strict=True)])
    torch.testing.assert_close(special.log_fdtri(df1, df2, p), expected.log(), rtol=1e-11, atol=1e-11)


def test_both_shape_gradients_of_a_beta_quantile_are_computed_at_once(monkeypatch: pytest.MonkeyPatch):
    calls = []

    def counted(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(arguments)
        return special.beta_sample_grad(*arguments)

    module = importlib.import_module("irg_experiments.implicit.special.betaincinv")  # its name is that of a function, too
    monkeypatch.setattr(module, "beta_sample_grad", counted)
    for function in (special.betaincinv, special.logit_betaincinv):
        calls.clear()
        arguments = [column.requires_grad_() for column in columns(BETA_ARGUMENTS[:3])]
        function(*arguments).sum().backward()
        assert len(calls) == 1


@pytest.mark.parametrize("count", [1, 2000])
def test_machine_code_is_not_needed(count: int):
    """A count above that of small tensors takes the same path as one element."""
    a, p = torch.full((count,), 0.3), torch.linspace(0.1, 0.9, count)
    torch.testing.assert_close(special.gammaincinv(a, p)[:1], special.gammaincinv(a[:1], p[:1]))


@pytest.mark.parametrize(
    ("name", "backend"), [("gammaincinv", "aot_eager"), pytest.param("ndtri", "inductor", marks=pytest.mark.compiler)]
)
def test_under_compile(name: str, backend: str):
    arguments = [column.float() for column in columns(EXAMPLES[name].arguments)]
    function = getattr(special, name)
    torch.testing.assert_close(torch.compile(function, fullgraph=True, backend=backend)(*arguments), function(*arguments))


@pytest.mark.parametrize(("df1", "df2", "p"), [(0.15, 20.0, 0.91), (0.3, 16.0, 0.7), (700.0, 0.55, 0.12), (3.0, 900.0, 1e-8)])
def test_log_fdtri_against_mpmath(df1: float, df2: float, p: float):
    mpmath.mp.dps = 30
    found = special.log_fdtri(*(torch.tensor(x, dtype=torch.float64) for x in (df1, df2, p))).item()

    def excess(y: mpmath.mpf) -> mpmath.mpf:
        z = mpmath.exp(y) * df1 / df2
        return mpmath.betainc(df1 / 2, df2 / 2, 0, z / (1 + z), regularized=True) - p

    expected = mpmath.findroot(excess, (found, found + 1e-6))
    assert abs(found - expected) < 1e-12 * max(1, abs(expected))


@pytest.mark.parametrize(("a", "b", "p"), [(-1.0, 2.0, 0.3), (-math.inf, -3.0, 1e-8), (6.0, math.inf, 0.999), (2.0, 2.5, 0.5)])
def test_truncated_ndtri_against_mpmath(a: float, b: float, p: float):
    mpmath.mp.dps = 40
    arguments = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (a, b, p)]
    x = special.truncated_ndtri(*arguments, 1 - arguments[2])
    cdf = [mpmath.ncdf(end) for end in (a, b)]
    p = mpmath.mpf(p)
    target = (1 - p) * cdf[0] + p * cdf[1]
    expected = mpmath.findroot(lambda y: mpmath.ncdf(y) / target - 1 if a < 0 else mpmath.ncdf(-y) / (1 - target) - 1, x.item())
    eps = torch.finfo(torch.float64).eps
    assert abs(x.item() - expected) <= 4 * eps * max(1, abs(expected))
    density = [mpmath.npdf(end) if abs(end) < math.inf else 0 for end in (a, b)]
    slopes = ((1 - p) * density[0], p * density[1], cdf[1] - cdf[0])
    for grad, slope in zip(torch.autograd.grad(x, arguments), slopes, strict=True):
        assert abs(grad.item() - slope / mpmath.npdf(expected)) <= 1e-13 * (slope / mpmath.npdf(expected)) * max(1, expected**2)


def test_truncated_ndtri_is_nan_without_an_interval():
    assert special.truncated_ndtri(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]), 0.3, 0.7).isnan().all()
