"""Every special function: values against SciPy, derivatives against differences, and torch's transformations."""

import importlib
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mpmath
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from torch import Tensor

from irg_experiments.implicit import special
from tests.truth.beta import truth
from tests.truth.tables import table


class Example(NamedTuple):
    """A function, its reference, and arguments that cover its domain."""

    function: Callable[..., Tensor]
    reference: Callable[..., float]
    arguments: tuple[tuple[float, ...], ...]
    outside: tuple[tuple[float, ...], ...]


SHAPES = (0.1, 0.4, 1.0, 3.0, 25.0, 1000.0)
GAMMA_ARGUMENTS = tuple((a, a * ratio) for a in SHAPES for ratio in (0.01, 0.7, 1.0, 1.1, 3.0))
GAMMA_OUTSIDE = ((-1.0, 1.0), (1.0, -1.0), (float("nan"), 1.0))
BETA_ARGUMENTS = tuple((a, b, x) for a in (0.2, 1.0, 30.0) for b in (0.5, 2.0, 200.0) for x in (0.01, 0.3, 0.5, 0.9))
BETA_OUTSIDE = ((-1.0, 1.0, 0.5), (1.0, 0.0, 0.5), (1.0, 1.0, 1.5), (1.0, 1.0, float("nan")))
STUDENT_ARGUMENTS = tuple((df, t) for df in (0.3, 1.0, 4.5, 30.0, 2000.0) for t in (-20.0, -1.5, -0.1, 0.5, 3.0))
STUDENT_OUTSIDE = ((-1.0, 1.0), (0.0, 1.0), (1.0, float("nan")))
VON_MISES_ARGUMENTS = tuple((x, k) for x in (-7.0, -3.0, -0.5, 0.01, 1.5, 10.0) for k in (0.1, 2.0, 9.0, 60.0))
VON_MISES_OUTSIDE = ((0.5, -1.0), (float("nan"), 1.0))


def von_mises_cdf(x: float, concentration: float) -> float:
    """The integral of the density; SciPy's own is normal-approximate at large concentrations."""

    def density(t: float) -> float:
        return math.exp(concentration * (math.cos(t) - 1)) / (2 * math.pi * scipy.special.i0e(concentration))

    return 0.5 + scipy.integrate.quad(density, 0, x, epsabs=5e-14, epsrel=0, limit=200)[0]


NORMAL_ARGUMENTS = tuple((x,) for x in (-30.0, -8.0, -2.0, -1.0, -0.3, 0.0, 0.7, 3.0))
LOG_ARGUMENTS = tuple((y,) for y in (-1e3, -40.0, -6.0, -4.0, -1.0, -0.5, -1e-2))
INVERSE_GAUSSIAN_ARGUMENTS = tuple((c, y) for c in (0.05, 1.0, 30.0, 2000.0) for y in (0.1, 0.7, 0.99, 1.01, 3.0))
INVERSE_GAUSSIAN_OUTSIDE = ((-1.0, 1.0), (1.0, -1.0), (1.0, float("nan")))
SKEW_ARGUMENTS = tuple((h, a) for h in (-2.5, -0.3, 0.4, 3.0) for a in (-5.0, -0.6, 0.2, 0.9, 1.1, 4.0))
SKEW_OUTSIDE = ((float("nan"), 1.0), (1.0, float("nan")))
EXAMPLES = {
    "owens_t": Example(special.owens_t, scipy.special.owens_t, SKEW_ARGUMENTS, SKEW_OUTSIDE),
    "skew_normal_cdf": Example(
        special.skew_normal_cdf,
        lambda a, x: scipy.special.ndtr(x) - 2 * scipy.special.owens_t(x, a),
        SKEW_ARGUMENTS,
        SKEW_OUTSIDE,
    ),
    "exp1e": Example(
        special.exp1e, lambda x: math.exp(x) * scipy.special.exp1(x), ((0.01,), (0.5,), (1.9,), (2.1,), (30.0,)), ((-1.0,),)
    ),
    "inverse_gaussian_cdf": Example(
        special.inverse_gaussian_cdf,
        lambda c, y: scipy.stats.invgauss(1 / c, scale=c).cdf(y),
        INVERSE_GAUSSIAN_ARGUMENTS,
        INVERSE_GAUSSIAN_OUTSIDE,
    ),
    "inverse_gaussian_sf": Example(
        special.inverse_gaussian_sf,
        lambda c, y: scipy.stats.invgauss(1 / c, scale=c).sf(y),
        INVERSE_GAUSSIAN_ARGUMENTS,
        INVERSE_GAUSSIAN_OUTSIDE,
    ),
    "ndtr": Example(special.ndtr, scipy.special.ndtr, NORMAL_ARGUMENTS, ((float("nan"),),)),
    "ndtri_exp": Example(special.ndtri_exp, scipy.special.ndtri_exp, LOG_ARGUMENTS, ((0.5,), (float("nan"),))),
    "log_ndtr": Example(special.log_ndtr, scipy.special.log_ndtr, NORMAL_ARGUMENTS, ((float("nan"),),)),
    "von_mises_cdf": Example(special.von_mises_cdf, von_mises_cdf, VON_MISES_ARGUMENTS, VON_MISES_OUTSIDE),
    "betainc": Example(special.betainc, scipy.special.betainc, BETA_ARGUMENTS, BETA_OUTSIDE),
    "stdtr": Example(special.stdtr, scipy.special.stdtr, STUDENT_ARGUMENTS, STUDENT_OUTSIDE),
    "student_t_log_peak": Example(
        special.student_t_log_peak,
        lambda df: scipy.stats.t.logpdf(0, df),
        ((0.3,), (4.0,), (59.0,), (61.0,), (90.0,)),
        ((-1.0,), (float("nan"),)),
    ),
    "gammainc": Example(special.gammainc, scipy.special.gammainc, GAMMA_ARGUMENTS, GAMMA_OUTSIDE),
    "gammaincc": Example(special.gammaincc, scipy.special.gammaincc, GAMMA_ARGUMENTS, GAMMA_OUTSIDE),
}
every_function = pytest.mark.parametrize("name", EXAMPLES)


def columns(rows: tuple[tuple[float, ...], ...]) -> list[Tensor]:
    return list(torch.tensor(rows, dtype=torch.float64).T)


@every_function
def test_values(name: str):
    function, reference, rows, _ = EXAMPLES[name]
    expected = torch.tensor([reference(*row) for row in rows], dtype=torch.float64)
    torch.testing.assert_close(function(*columns(rows)), expected, rtol=1e-15, atol=1e-13)
    single = function(*(column.float() for column in columns(rows)))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-7, atol=1e-5)


WITH_NUMBERS = {
    **{name: (example.function, example.arguments[0]) for name, example in EXAMPLES.items() if len(example.arguments[0]) > 1},
    "log_gamma_density": (special.log_gamma_density, (2.0, 0.5)),
    "log_gamma_cdf_difference": (special.log_gamma_cdf_difference, (2.0, 0.5, 3.0, 1.0)),
    "gamma_sample_grad": (special.gamma_sample_grad, (2.0, 0.5)),
}


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_numbers_beside_a_tensor_take_its_dtype(name: str):
    function, row = WITH_NUMBERS[name]
    for place in range(len(row)):
        arguments = [torch.tensor(value, dtype=torch.float64) if at == place else value for at, value in enumerate(row)]
        expected = function(*(torch.tensor(value, dtype=torch.float64) for value in row))
        torch.testing.assert_close(function(*arguments), expected, rtol=0, atol=0)
    with pytest.raises(TypeError, match="at least one argument must be a tensor"):
        function(*row)


@every_function
def test_outside_the_domain(name: str):
    function, _, _, outside = EXAMPLES[name]
    assert function(*columns(outside)).isnan().all()


@every_function
def test_derivatives_in_every_argument(name: str):
    function, _, rows, _ = EXAMPLES[name]
    arguments = [column.requires_grad_() for column in columns(rows)]
    assert torch.autograd.gradcheck(function, arguments, eps=1e-7, atol=1e-6, rtol=1e-5, check_forward_ad=True)


@every_function
def test_transformations_and_broadcasting(name: str):
    function, _, rows, _ = EXAMPLES[name]
    arguments = columns(rows)
    expected = function(*arguments)
    torch.testing.assert_close(torch.func.vmap(function)(*arguments), expected)
    if len(arguments) > 1:
        assert function(arguments[0][:, None], *arguments[1:]).shape == (len(rows), len(rows))
    half = function(*(argument.to(torch.bfloat16) for argument in arguments))
    assert half.dtype == torch.bfloat16


# functions of the same arguments that share a formula compile as one
COMPILED_TOGETHER = (("exp1e",), ("ndtr", "log_ndtr"), ("gammainc", "gammaincc"), ("ndtri_exp",), ("von_mises_cdf",))
# machine code for these would take half of the time of this file
TRACED_TOGETHER = (
    ("owens_t", "skew_normal_cdf"),
    ("inverse_gaussian_cdf", "inverse_gaussian_sf"),
    ("betainc",),
    ("stdtr",),
    ("student_t_log_peak",),
)


def test_every_function_is_compiled():
    assert {name for names in (*COMPILED_TOGETHER, *TRACED_TOGETHER) for name in names} == set(EXAMPLES)


@pytest.mark.parametrize(
    ("names", "backend"),
    [
        *(pytest.param(names, "inductor", marks=pytest.mark.compiler) for names in COMPILED_TOGETHER),
        *((names, "aot_eager") for names in TRACED_TOGETHER),
    ],
    ids=["-".join(names) for names in (*COMPILED_TOGETHER, *TRACED_TOGETHER)],
)
def test_under_compile(names: tuple[str, ...], backend: str):
    def function(*arguments: Tensor) -> Tensor:
        return torch.stack([EXAMPLES[name].function(*arguments) for name in names])

    arguments = [column.float() for column in columns(EXAMPLES[names[0]].arguments)]
    torch.testing.assert_close(torch.compile(function, fullgraph=True, backend=backend)(*arguments), function(*arguments))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gammainc_against_mpmath(dtype: torch.dtype):
    a, x, p, q = table("gammainc")
    absolute = {torch.float32: 4e-7, torch.float64: 1e-13}[dtype]
    for function, expected in ((special.gammainc, p), (special.gammaincc, q)):
        value = function(a.to(dtype), x.to(dtype)).double()
        assert (value - expected).abs().max() < absolute
        if dtype == torch.float64:
            small = (expected > 1e-250) & (expected < 0.1) & (a >= 1e-3)
            assert ((value - expected).abs() / expected)[small].max() < 1e-11


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-11)])
def test_log_gamma_against_mpmath(dtype: torch.dtype, tolerance: float):
    # the logarithms of quantiles from 1e-9 to 1 − 1e-6, where z itself underflows for the smallest shape
    rows = [(a, y, a * step, y + shift) for a, y in LOG_GAMMA_ARGUMENTS for step, shift in ((1.001, 0.0), (1.5, 0.1))]
    columns = torch.tensor(rows, dtype=dtype).T
    for a, y, b, x, difference in zip(*columns, special.log_gamma_cdf_difference(*columns), strict=True):
        (lower, upper), (lower_b, upper_b) = (log_gamma_tails(*map(float, pair)) for pair in ((a, y), (b, x)))
        tail = max(min(lower, upper), min(lower_b, upper_b))
        assert abs(float(difference) - (upper - upper_b)) < tolerance * (tail if dtype == torch.float64 else 1)
    a, y = torch.tensor(LOG_GAMMA_ARGUMENTS, dtype=torch.float64).T
    expected = torch.tensor([math.exp(mpmath.log(log_gamma_density(*row))) for row in LOG_GAMMA_ARGUMENTS], dtype=torch.float64)
    torch.testing.assert_close(special.log_gamma_density(a, y), expected, rtol=1e-11, atol=0)


LOG_GAMMA_ARGUMENTS = (
    *((1e-3, -20_000.0), (1e-3, -700.0), (1e-3, -3.0), (0.05, -100.0), (0.05, 0.0), (0.7, -8.0), (0.7, 0.0), (0.7, 2.3)),
    *((3.0, -4.0), (3.0, 1.0), (3.0, 2.7), (50.0, 3.2), (50.0, 3.9), (50.0, 4.4), (1000.0, 6.76), (1000.0, 7.05)),
)


def log_gamma_tails(a: float, y: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    with mpmath.workdps(60):
        z = mpmath.exp(y)
        return mpmath.gammainc(a, 0, z, regularized=True), mpmath.gammainc(a, z, mpmath.inf, regularized=True)


def log_gamma_density(a: float, y: float) -> mpmath.mpf:
    with mpmath.workdps(60):
        return mpmath.exp(a * mpmath.mpf(y) - mpmath.exp(y)) / mpmath.gamma(a)


def test_every_documented_function_is_exported():
    names = (path.stem for path in Path(special.__file__).parent.glob("[!_]*.py"))
    modules = [importlib.import_module(f"{special.__name__}.{name}") for name in names]
    public = {
        name
        for module in modules
        for name, value in vars(module).items()
        if not name.startswith("_") and inspect.isfunction(value) and value.__module__ == module.__name__
    }
    shared_in_the_core = {
        "betainc_of_both",
        "checked_dimension",
        "beta_log_odds",
        "beta_quantile_start",
        "gamma_quantile_start",
        "limited_log_ndtr",
    }
    assert public - shared_in_the_core == set(special.__all__)
    assert all(inspect.getdoc(getattr(special, name)) for name in public - shared_in_the_core)


def worst_relative_error(value: Tensor, expected: Tensor) -> float:
    return ((value.double() - expected).abs() / expected.abs()).max().item()


# dtype, relative error of derivatives, absolute error of distribution functions
PRECISIONS = [(torch.float32, 1e-6, 1e-6), (torch.float64, 1e-12, 1e-13)]


@pytest.mark.parametrize(("dtype", "relative", "absolute"), PRECISIONS)
def test_beta_against_mpmath(dtype: torch.dtype, relative: float, absolute: float):
    a, b, z, da, db, cdf = table("beta")
    arguments = a.to(dtype), b.to(dtype), z.to(dtype)
    grads = special.beta_sample_grad(*arguments)
    # float32 cannot hold the smallest of the derivatives
    held = torch.minimum(da.abs(), db.abs()) > torch.finfo(dtype).tiny
    assert worst_relative_error(grads[0][held], da[held]) < relative
    assert worst_relative_error(grads[1][held], db[held]) < relative
    assert (special.betainc(*arguments).double() - cdf).abs().max() < absolute


def test_beta_where_the_sides_meet():
    """There the integrands have the steepest end, and terms of opposite sign."""
    rows = [
        (381.9, 0.01002, 0.99802),
        (0.01533, 712.9, 0.0010713),
        (0.010681922688, 4.6942198235, 0.0695475843),
        (0.02, 766.0, 6.2e-4),
    ]
    expected = torch.tensor([[float(value) for value in truth(*row)[:2]] for row in rows], dtype=torch.float64)
    grads = special.beta_sample_grad(*torch.tensor(rows, dtype=torch.float64).unbind(1))
    assert worst_relative_error(torch.stack(grads, 1), expected) < 2.5e-14


@pytest.mark.parametrize(("dtype", "relative", "absolute"), PRECISIONS)
def test_student_t_against_mpmath(dtype: torch.dtype, relative: float, absolute: float):
    df, t, dt_ddf, cdf = table("student_t")
    assert worst_relative_error(special.student_t_sample_grad(df.to(dtype), t.to(dtype)), dt_ddf) < relative
    value = special.stdtr(df.to(dtype), t.to(dtype)).double()
    assert (value - cdf).abs().max() < absolute


def test_edges_of_beta_and_student_t():
    inf, nan = float("inf"), float("nan")
    da, db = special.beta_sample_grad(
        torch.tensor([2.0, 2.0, 0.0, 1.0]), torch.tensor(3.0), torch.tensor([0.0, 1.0, 0.5, -0.1])
    )
    for grad in (da, db):
        torch.testing.assert_close(grad, torch.tensor([0.0, 0.0, nan, nan]), equal_nan=True)
    grad = special.student_t_sample_grad(torch.tensor([inf, 3.0, -1.0]), torch.tensor([1.0, inf, 1.0]))
    torch.testing.assert_close(grad, torch.tensor([0.0, -inf, nan]), equal_nan=True)


@pytest.mark.parametrize(("dtype", "relative", "absolute"), PRECISIONS)
def test_von_mises_against_mpmath(dtype: torch.dtype, relative: float, absolute: float):
    concentration, z, dz_dconcentration, cdf = table("von_mises")
    arguments = concentration.to(dtype), z.to(dtype)
    assert worst_relative_error(special.von_mises_sample_grad(*arguments), dz_dconcentration) < relative
    assert (special.von_mises_cdf(arguments[1], arguments[0]).double() - cdf).abs().max() < absolute


def test_edges_of_von_mises():
    pi = torch.tensor(torch.pi)
    z = torch.tensor([0.0, 1.0, 1.0, 4.0, 0.5])
    grad = special.von_mises_sample_grad(torch.tensor([3.0, 0.0, -1.0, 1.0, 1e10]), z)
    expected = torch.tensor([0.0, -z[1].sin(), float("nan"), float("nan"), -((0.25 * pi / pi).tan()) * 1e-10])
    torch.testing.assert_close(grad, expected, equal_nan=True, rtol=1e-4, atol=1e-12)
    assert special.von_mises_sample_grad(torch.tensor(2.0), pi) == 0
    assert special.von_mises_cdf(torch.tensor(0.0), torch.tensor(5.0)) == 0.5


def test_normal_tails_keep_their_relative_accuracy():
    x = torch.tensor([-37.0, -20.0, -8.0, -3.0], dtype=torch.float64, requires_grad=True)
    for function, reference in ((special.ndtr, scipy.special.ndtr), (special.log_ndtr, scipy.special.log_ndtr)):
        torch.testing.assert_close(function(x.detach()), torch.tensor(reference(x.detach().numpy())), rtol=2e-13, atol=0)
    (slope,) = torch.autograd.grad(special.log_ndtr(x).sum(), x)
    hazard = torch.exp(-(x.detach() ** 2) / 2 - special.log_ndtr(x.detach())) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(slope, hazard, rtol=1e-11, atol=0)
    y = torch.tensor([-1e6, -800.0, -30.0, -1.0, -1e-3, -1e-12], dtype=torch.float64)
    torch.testing.assert_close(special.log_ndtr(special.ndtri_exp(y)), y, rtol=1e-12, atol=1e-16)
