"""Second derivatives of samples and special functions: against mpmath, by every way of asking for them, and refused beyond."""

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch.distributions as td
from torch import Tensor
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from irg_experiments import implicit
from irg_experiments.implicit import compilation, implicit_sample, reparameterize, special
from irg_experiments.implicit.distributions.dirichlet import _Normalised, softmax_from_largest
from tests.statistics import seed
from tests.truth.tables import table

DOUBLE = torch.float64
PRECISIONS = [(torch.float32, 3e-5), (torch.float64, 1e-11)]


class Univariate(NamedTuple):
    """A section of the table: [parameter, z, D, ∂D/∂parameter, ∂D/∂z, d²z/dparameter², ∂²F/∂parameter²]."""

    section: str
    sample_grad: Callable[[Tensor, Tensor], Tensor]
    cdf: Callable[[Tensor, Tensor], Tensor] | None
    held: Callable[[Tensor, Tensor], Tensor]  # the range of F, whose derivatives lose the digits that the density loses


FAMILIES = [
    Univariate("gamma", special.gamma_sample_grad, special.gammainc, lambda a, z: a < 2e4),
    Univariate("log_gamma", special.log_gamma_sample_grad, None, lambda a, y: a > 0),
    Univariate("student_t", special.student_t_sample_grad, special.stdtr, lambda n, t: (n < 1.1e6) & (t.abs() < 1e15)),
    Univariate("von_mises", special.von_mises_sample_grad, lambda k, z: special.von_mises_cdf(z, k), lambda k, z: k < 1e6),
]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.section)


def slopes(value: Tensor, arguments: list[Tensor], **options: bool) -> list[Tensor]:
    return [slope.double() for slope in torch.autograd.grad(value.sum(), arguments, **options)]


def attached(columns: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    return [column.to(dtype).requires_grad_() for column in columns]


def assert_close(value: Tensor, truth: Tensor, scale: Tensor, tolerance: float) -> None:
    """To the truth or its natural scale, whichever is larger: a second derivative crosses zero where its terms do not."""
    error = (value - truth).abs() / torch.maximum(truth.abs(), scale.abs())
    assert error.isfinite().all()
    assert error.max() < tolerance


@every_family
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_samples_against_mpmath(family: Univariate, dtype: torch.dtype, tolerance: float):
    parameter, z, d, in_parameter, in_z, total = table("second_derivatives", family.section)[:6]
    arguments = attached([parameter, z], dtype)
    first = family.sample_grad(*arguments)
    by_parameter, by_z = slopes(first, arguments)
    scale = d / parameter
    assert_close(by_parameter, in_parameter, 0.1 * scale, tolerance)
    assert_close(by_z, in_z, 0 * scale if family.section != "gamma" else 0.1 * d / z, tolerance)
    # by the graph of an implicit sample, from the rounded z in float32
    sample = implicit_sample(arguments[1], family.sample_grad, arguments[0])
    (slope,) = torch.autograd.grad(sample.sum(), arguments[0], create_graph=True)
    assert_close(slopes(slope, arguments[:1])[0], total, scale, tolerance)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.cdf], ids=lambda family: family.section)
def test_distribution_functions_against_mpmath(family: Univariate):
    parameter, z, d, *_, expected = table("second_derivatives", family.section)
    arguments = attached([parameter, z], DOUBLE)
    assert family.cdf is not None
    by_parameter, density = torch.autograd.grad(family.cdf(*arguments).sum(), arguments, create_graph=True)
    twice, mixed = slopes(by_parameter, arguments, retain_graph=True)
    scale = density.detach() * d / parameter * (1 + parameter.sqrt() if family.section == "gamma" else 1)
    held = family.held(parameter, z)
    assert held.sum() > 80
    assert_close(twice[held], expected[held], scale[held], 1e-9)
    torch.testing.assert_close(mixed[held], slopes(density, arguments)[0][held], rtol=1e-9, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_beta_against_mpmath(dtype: torch.dtype, tolerance: float):
    a, b, z, da, aa, ab, az, db, bb, bz, _, _ = table("second_derivatives", "beta")
    held = z > 1e-30  # dz/da and its slopes are within the range of float32
    arguments = attached([a, b, z], dtype)
    first = special.beta_sample_grad(*arguments)
    of_a, of_b = slopes(first[0], arguments, retain_graph=True), slopes(first[1], arguments)
    for value, truth in ((of_a[0], aa), (of_a[1], ab), (of_a[2], az), (of_b[1], bb), (of_b[2], bz)):
        assert_close(value[held], truth[held], 0 * truth[held], tolerance)
    # the total derivatives of dz/da by b and of dz/db by a are the same
    mixed = of_a[1] + of_a[2] * first[1].detach()
    scale = (da / a)[held]
    assert_close(mixed[held], (ab + az * db)[held], scale, 100 * tolerance)
    assert_close((of_b[0] + of_b[2] * first[0].detach())[held], mixed[held], scale, 100 * tolerance)


def test_betainc_against_mpmath():
    a, b, z, da, *_, twice, mixed = table("second_derivatives", "beta")
    arguments = attached([a, b, z], DOUBLE)
    by_a, by_b, density = torch.autograd.grad(special.betainc(*arguments).sum(), arguments, create_graph=True)
    scale = density.detach() * da / a
    of_a = slopes(by_a, arguments, retain_graph=True)
    assert_close(of_a[0], twice, scale, 1e-9)
    assert_close(of_a[1], mixed, 10 * scale, 1e-9)
    torch.testing.assert_close(slopes(by_b, arguments)[0], of_a[1], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_von_mises_fisher_against_mpmath(dtype: torch.dtype, tolerance: float):
    dimension, *columns = table("second_derivatives", "von_mises_fisher")
    for value in dimension.unique():
        concentration, angle, d, in_concentration, in_angle, total = (column[dimension == value] for column in columns)
        arguments = attached([concentration, angle], dtype)
        first = special.von_mises_fisher_angle_grad(*arguments, int(value))
        by_concentration, by_angle = slopes(first, arguments)
        assert_close(by_concentration, in_concentration, 0 * d, tolerance)
        assert_close(by_angle, in_angle, 0 * d, tolerance)
        assert_close(by_concentration + by_angle * first.detach().double(), total, 0 * d, tolerance)
        if dtype == DOUBLE:  # w = cos θ: w'' = −cos θ θ'² − sin θ θ''
            w = angle.cos()
            arguments = attached([concentration, w], dtype)
            slope = special.von_mises_fisher_sample_grad(*arguments, int(value))
            by_concentration, by_w = slopes(slope, arguments)
            middle = w.abs() < 0.99
            expected = -w * d.square() - angle.sin() * total
            assert_close(
                (by_concentration + by_w * slope.detach())[middle],
                expected[middle],
                (slope.detach() / concentration)[middle],
                1e-9,
            )


def test_ends_of_the_support():
    zero, one = torch.zeros(2, dtype=DOUBLE), torch.ones(2, dtype=DOUBLE)
    a, z = attached([one * 0.5, zero], DOUBLE)
    first = special.gamma_sample_grad(a, z)
    by_a, by_z = slopes(first, [a, z])
    assert torch.equal(first, zero)
    assert torch.equal(by_a, zero)
    assert (by_z > 1000).all()
    assert by_z.isfinite().all()
    # so that a draw that underflowed contributes nothing to the second derivative
    draw = implicit_sample(zero, special.gamma_sample_grad, a)
    (slope,) = torch.autograd.grad(draw.sum(), a, create_graph=True)
    assert torch.equal(torch.autograd.grad(slope.sum(), a)[0], zero)
    a, b, z = attached([one * 0.5, one * 2, torch.stack([zero[0], one[0]])], DOUBLE)
    for value in special.beta_sample_grad(a, b, z):
        by_a, by_b, by_z = slopes(value, [a, b, z], retain_graph=True)
        assert torch.equal(by_a, zero)
        assert torch.equal(by_b, zero)
        assert by_z.isfinite().all()
    k, z = attached([one * 2, one * math.pi * torch.tensor([-1.0, 1.0])], DOUBLE)
    by_z = slopes(special.von_mises_sample_grad(k, z), [k, z])[1]
    torch.testing.assert_close(by_z, 2 - special.circular_variance(k.detach()))
    for function in (special.gamma_sample_grad, special.student_t_sample_grad, special.von_mises_sample_grad):
        arguments = attached([-one, 2 * one], DOUBLE)
        assert all(slope.isnan().all() for slope in slopes(function(*arguments), arguments))


def test_the_first_derivatives_of_distribution_functions_in_shapes_vanish_at_the_ends():
    a, x = attached([torch.tensor([0.5, 1.0, 3.0]), torch.zeros(3)], DOUBLE)
    for function in (special.gammainc, special.gammaincc):
        assert not torch.autograd.grad(function(a, x).sum(), a)[0].any()
    b, ends = attached([torch.tensor([0.5, 1.0, 3.0]), torch.tensor([0.0, 1.0, 1.0])], DOUBLE)
    grads = torch.autograd.grad(special.betainc(a, b, ends).sum(), (a, b))
    assert not any(value.any() for value in grads)


def quadratic(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The sum of w y² of the values y, with different weights."""

    def summed(*arguments: Tensor) -> Tensor:
        value = function(*arguments)
        return (torch.linspace(0.5, 1.5, value.numel(), dtype=DOUBLE).reshape(value.shape) * value.square()).sum()

    return summed


def implicit_of(sample_grad: Callable[..., Tensor], value: list[float]) -> Callable[..., Tensor]:
    return lambda parameter: implicit_sample(torch.tensor(value, dtype=DOUBLE), sample_grad, parameter)


def columns(*rows: list[float]) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(row, dtype=DOUBLE) for row in rows)


DIFFERENTIABLE = {
    "gammainc": (special.gammainc, columns([0.4, 2.0, 30.0], [0.3, 3.0, 25.0])),
    "gammaincc": (special.gammaincc, columns([0.4, 2.0, 30.0], [0.3, 3.0, 25.0])),
    "betainc": (special.betainc, columns([0.4, 2.0], [3.0, 0.7], [0.3, 0.8])),
    "stdtr": (special.stdtr, columns([0.4, 7.0], [0.3, -3.0])),
    "von_mises_cdf": (special.von_mises_cdf, columns([0.4, -2.0], [0.3, 30.0])),
    "log_ndtr": (special.log_ndtr, columns([0.4, -2.0])),
    "gammaincinv": (special.gammaincinv, columns([0.7, 3.0], [0.3, 0.5])),
    "stdtrit": (special.stdtrit, columns([3.0, 7.0], [0.5, 0.2])),
    "von_mises_icdf": (special.von_mises_icdf, columns([0.5, 0.2], [0.3, 30.0])),
    "gamma sample": (implicit_of(special.gamma_sample_grad, [0.2, 3.0]), columns([0.4, 2.0])),
    "log-gamma sample": (implicit_of(special.log_gamma_sample_grad, [-2.0, 1.0]), columns([0.4, 2.0])),
    "student-t sample": (implicit_of(special.student_t_sample_grad, [-2.0, 1.0]), columns([0.4, 2.0])),
    "von mises sample": (implicit_of(special.von_mises_sample_grad, [-2.0, 1.0]), columns([0.4, 2.0])),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_every_way_to_ask_agrees(name: str):
    function, arguments = DIFFERENTIABLE[name]
    objective, places = quadratic(function), tuple(range(len(arguments)))
    points = attached(list(arguments), DOUBLE)
    first = torch.autograd.grad(objective(*points), points, create_graph=True)
    expected = [[torch.autograd.grad(g[n], p, retain_graph=True)[0] for n in range(len(g)) for p in points] for g in first]
    flat = torch.cat([value for row in expected for value in row])
    ways = [hessian(objective, places), jacrev(jacrev(objective, places), places)]
    if name != "betainc":  # whose formula is long
        ways += [jacfwd(jacfwd(objective, places), places), jacrev(jacfwd(objective, places), places)]
    for way in ways:
        blocks = way(*arguments)
        rows = [torch.stack([block[n] for block in row]) for row in blocks for n in range(len(arguments[0]))]
        torch.testing.assert_close(torch.cat(rows).flatten(), flat, rtol=1e-9, atol=1e-13)
    pointwise = vmap(hessian(lambda *row: function(*row).square(), places))
    if not name.endswith("sample"):
        assert all(block.shape == arguments[0].shape for row in pointwise(*arguments) for block in row)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradcheck_with_its_default_and_batched_options(name: str):
    function, arguments = DIFFERENTIABLE[name]
    points = attached(list(arguments), DOUBLE)
    if not name.endswith("sample"):  # the difference of a sample at a fixed value is zero
        options = {"check_forward_ad": True, "check_batched_forward_grad": True}
        assert torch.autograd.gradcheck(function, points, check_batched_grad=True, atol=1e-4, **options)
        options = {"check_fwd_over_rev": True, "check_batched_grad": True}
        assert torch.autograd.gradgradcheck(function, points, atol=1e-4, **options)


def test_forward_mode_inside_a_dual_level():
    (a,) = columns([0.4, 2.0])
    sample = implicit_of(special.gamma_sample_grad, [0.2, 3.0])
    expected = jacfwd(grad(lambda a: sample(a).sum()))(a).sum(0)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(a.clone().requires_grad_(), torch.ones_like(a))
        (slope,) = torch.autograd.grad(sample(dual).sum(), dual, create_graph=True)
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(slope).tangent, expected)


THIRD = [
    *(function for function, _ in DIFFERENTIABLE.values() if function not in (special.von_mises_cdf, special.log_ndtr)),
    lambda concentration: special.von_mises_cdf(torch.tensor(0.4, dtype=DOUBLE), concentration),
    lambda angle: special.von_mises_fisher_angle_grad(torch.tensor(3.0, dtype=DOUBLE), angle, 4),
]


@pytest.mark.parametrize("function", THIRD)
def test_third_derivatives_are_refused(function: Callable[..., Tensor]):
    rows = next((rows for known, rows in DIFFERENTIABLE.values() if known is function), columns([0.4, 2.0]))
    for order in (grad, jacfwd):

        def objective(*row: Tensor) -> Tensor:
            return function(*row).sum()

        with pytest.raises(NotImplementedError, match=r"the second derivative of a .* sample cannot be differentiated"):
            order(grad(grad(lambda e: objective(*(row + e for row in rows)))))(torch.zeros((), dtype=DOUBLE))


def parameters_of(name: str) -> tuple[Callable[..., td.Distribution], tuple[Tensor, ...]]:
    shapes, others = columns([0.6, 2.0, 40.0], [1.7, 5.0, 9.0])
    if name == "Wishart":
        return lambda df, scale: implicit.Wishart(df, scale_tril=scale.tril()), columns([4.3], [[1.7, 0.0], [0.3, 2.0]])
    if name == "Dirichlet":
        return implicit.Dirichlet, (torch.stack([shapes, others]),)
    if name == "Chi2":
        return implicit.Chi2, (shapes,)
    return getattr(implicit, name), (shapes, others)


@pytest.mark.parametrize(
    "name",
    ["Gamma", "LogGamma", "Beta", "Dirichlet", "StudentT", "VonMises", "InverseGamma", "Chi2", "FisherSnedecor", "Wishart"],
)
def test_samples_of_distributions(name: str):
    """Eagerly and by transformations, which compose the fused samplers of operations."""
    make, parameters = parameters_of(name)
    tangents = tuple(torch.linspace(-1, 1.3, p.numel(), dtype=DOUBLE).reshape(p.shape) for p in parameters)

    def objective(*values: Tensor) -> Tensor:
        seed(1)
        return quadratic(lambda *p: make(*p).rsample())(*values)

    def gradient(*values: Tensor) -> tuple[Tensor, ...]:
        return grad(objective, tuple(range(len(values))))(*values)

    points = attached(list(parameters), DOUBLE)
    first = torch.autograd.grad(objective(*points), points, create_graph=True)
    eager = torch.autograd.grad(first, points, tangents)
    torch.testing.assert_close(first, gradient(*parameters), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(eager, jvp(gradient, parameters, tangents)[1], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(eager, torch.func.vjp(gradient, *parameters)[1](tangents), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("noise", "shapes"), [((0.3, 0.9), (2.3, 0.7)), ((0.01, 0.5), (0.4, 30.0))], ids=["moderate", "unequal"]
)
def test_dirichlet_of_two_is_the_beta_distribution(noise: tuple[float, float], shapes: tuple[float, float]):
    """Fused and composed sampler: the second derivatives of the first coordinate, given the same Gamma variables."""
    log_gammas = torch.tensor(noise, dtype=DOUBLE).log()
    concentration = torch.tensor(shapes, dtype=DOUBLE).requires_grad_()
    fused = _Normalised.apply(log_gammas, concentration)
    composed = softmax_from_largest(implicit_sample(log_gammas, special.log_gamma_sample_grad, concentration))
    seconds = []
    for theta in (fused, composed):
        (first,) = torch.autograd.grad(theta[0], concentration, create_graph=True)
        seconds.append([torch.autograd.grad(value, concentration, retain_graph=True)[0] for value in first])
    torch.testing.assert_close(seconds[0], seconds[1], rtol=1e-10, atol=1e-14)


def mixture(e: Tensor, family: type[td.Distribution] = implicit.Gamma) -> td.Distribution:
    logits, first, second = columns([0.3, -0.2], [3.0, 1.5], [0.7, 1.2])
    weights = td.Categorical(logits=logits * (1 + e))
    return implicit.MixtureSameFamily(weights, family(first + e, second - 0.3 * e, validate_args=False))


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=DOUBLE)


BY_CDF: dict[str, Callable[[Tensor], td.Distribution]] = {
    "Truncated(Normal)": lambda e: implicit.Truncated(implicit.Normal(e, 1 + e), -1.0, 2.0 + e),
    "Truncated(Gamma)": lambda e: implicit.Truncated(implicit.Gamma(2 + e, 1 - e), 0.5, 3.0),
    "Truncated(StudentT)": lambda e: implicit.Truncated(implicit.StudentT(2 + e, e), -0.5, 3.0),
    "mixture of Gammas": mixture,
    "mixture of normals": lambda e: mixture(e, implicit.Normal),
    "mixture of Betas": lambda e: mixture(e, implicit.Beta),
    "Reparameterized(VonMises)": lambda e: implicit.Reparameterized(implicit.VonMises(number(0.3), 2 + e)),
    "Reparameterized(Gumbel)": lambda e: implicit.Reparameterized(td.Gumbel(e, 1 + e)),
}


@pytest.mark.parametrize("name", BY_CDF)
def test_samples_by_their_distribution_function(name: str):
    """Against S_z z'' = −S_φφ − 2 S_φz z' − S_zz z'², from the derivatives of the distribution function."""

    def sample(e: Tensor) -> Tensor:
        seed(3)
        return BY_CDF[name](e).rsample()

    zero = number(0.0)
    e, z = number(0.0).requires_grad_(), sample(zero).detach().requires_grad_()
    by_e, by_z = torch.autograd.grad(BY_CDF[name](e).cdf(z), (e, z), create_graph=True)
    mixed = torch.autograd.grad(by_e, (e, z), retain_graph=True)
    curvature = torch.autograd.grad(by_z, z)[0]
    slope = -by_e / by_z
    expected = (-(mixed[0] + 2 * mixed[1] * slope + curvature * slope.square()) / by_z).detach()
    ways = [
        grad(grad(sample))(zero),
        jvp(grad(sample), (zero,), (torch.ones_like(zero),))[1],
        jvp(lambda e: jvp(sample, (e,), (torch.ones_like(zero),))[1], (zero,), (torch.ones_like(zero),))[1],
    ]
    for way in ways:
        torch.testing.assert_close(way, expected, rtol=1e-9, atol=1e-11)


def test_samples_of_a_mixture_of_vectors():
    logits, loc, scale = columns([0.3, -0.2], [[-1.0, 1.0, 0.5], [0.3, -0.2, 0.4]], [[0.7, 1.2, 0.9], [1.0, 1.2, 0.8]])

    def at(e: Tensor) -> implicit.MixtureSameFamily:
        components = td.Independent(
            implicit.Normal(loc + e * loc.exp(), scale + e, validate_args=False), 1, validate_args=False
        )
        weights = td.Categorical(logits=logits * (1 + e), validate_args=False)
        return implicit.MixtureSameFamily(weights, components, validate_args=False)

    def sample(e: Tensor) -> Tensor:
        seed(3)
        return at(e).rsample()

    def slope(e: float, z: Tensor) -> Tensor:
        point = number(e).requires_grad_()
        return torch.stack([torch.autograd.grad(x, point, retain_graph=True)[0] for x in at(point)._reparameterized(z)])

    # z'' is the derivative of z' along the curve z(e)
    z, step = sample(number(0.0)), 1e-5
    first = slope(0.0, z)
    expected = (slope(step, z + step * first) - slope(-step, z - step * first)) / (2 * step)
    torch.testing.assert_close(jacrev(jacrev(sample))(number(0.0)), expected, rtol=1e-6, atol=1e-8)


def test_the_generic_rule_is_refused_beyond_the_transformations():
    def sample(e: Tensor) -> Tensor:
        seed(3)
        return implicit.Truncated(implicit.Gumbel(e, 1 + e, validate_args=False), -1.0, 2.0, validate_args=False).rsample()

    second, e = grad(grad(sample)), number(0.1).requires_grad_()
    with pytest.raises(NotImplementedError, match="second derivatives of samples are not implemented here"):
        torch.autograd.grad(second(e), e)
    (first,) = torch.autograd.grad(sample(e), e, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"ask for them by torch\.func"):
        torch.autograd.grad(first, e)
    step = 1e-4
    difference = (second(e.detach() + step) - second(e.detach() - step)) / (2 * step)
    torch.testing.assert_close(grad(second)(e.detach()), difference, rtol=1e-5, atol=0)


def test_a_standardization_that_is_constant_in_z_has_no_second_derivative():
    def sample(scale: Tensor) -> Tensor:
        return reparameterize(number(1.0), lambda z: z.detach() / scale, jacobian=1 / scale)

    torch.testing.assert_close(grad(sample)(number(2.0)), number(0.5))
    assert grad(grad(sample))(number(2.0)).isnan()


def test_no_derivative_of_a_formula_is_compiled(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object) -> None:
        raise AssertionError("compiled")

    a, z = attached([torch.linspace(0.5, 2.0, 100), torch.linspace(0.5, 2.0, 100)], DOUBLE)
    first = special.gamma_sample_grad(a, z)
    monkeypatch.setattr(compilation, "_kernel", refuse)
    monkeypatch.setattr(compilation._State, "mode", "on")
    assert all(slope.isfinite().all() for slope in slopes(first, [a, z]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_ndtr_in_half_precision(dtype: torch.dtype):
    x = torch.tensor([-3.0, -0.5, 1.0], dtype=dtype, requires_grad=True)
    value = special.ndtr(x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert value.dtype == slope.dtype == dtype
    assert torch.equal(value, special.ndtr(x.detach().float()).to(dtype))
    assert torch.autograd.functional.hessian(lambda x: special.ndtr(x).sum(), x.detach()).isfinite().all()
