"""The von Mises–Fisher and the uniform distribution on the sphere. A statistical test takes 20,000 draws."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn.functional import normalize

from irg_experiments.implicit.distributions.hyperspherical_uniform import HypersphericalUniform, unit_vector
from irg_experiments.implicit.distributions.von_mises_fisher import VonMisesFisher
from irg_experiments.implicit.special import von_mises_fisher as special
from irg_experiments.implicit.special.von_mises import von_mises_sample_grad
from tests.statistics import DRAWS, assert_law, assert_mean, seed

DIMENSIONS = [2, 3, 5, 20]
CONCENTRATIONS = [1e-3, 0.1, 1.0, 10.0, 1e4]
FUNCTIONS = [
    special.mean_resultant_length,
    special.mean_resultant_complement,
    special.mean_resultant_slope,
    special.von_mises_fisher_log_normalizer,
    special.von_mises_fisher_log_peak,
    special.von_mises_fisher_negentropy,
]
every_function = pytest.mark.parametrize("function", FUNCTIONS)
every_dimension = pytest.mark.parametrize("d", DIMENSIONS)


def truth() -> list[tuple[int, list[Tensor]]]:
    """Dimensions, and the columns κ, w, dw/dκ, A, 1 − A, ln C of each."""
    rows = json.loads((Path(__file__).parents[1] / "truth" / "von_mises_fisher.json").read_text())
    dimensions = sorted({row[0] for row in rows})
    return [(d, list(double([row[1:] for row in rows if row[0] == d]).T)) for d in dimensions]


def double(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def direction(d: int, seed: int = 1) -> Tensor:
    return normalize(torch.randn(d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1)


def worst(value: Tensor, expected: Tensor, floor: float = 0.0) -> float:
    """The largest relative error; absolute, in units of ``floor``, where the expected value is smaller."""
    return ((value.double() - expected).abs() / expected.abs().clamp(min=floor)).max().item()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 2e-13)])
def test_special_functions_against_mpmath(dtype: torch.dtype, tolerance: float):
    for d, (k, w, dw_dk, length, complement, log_normalizer) in truth():
        concentration = k.to(dtype)
        area = special.log_sphere_area(d)
        grad = special.von_mises_fisher_sample_grad(concentration, w.to(dtype), d)
        assert grad.dtype == dtype
        assert worst(grad, dw_dk) < tolerance
        assert worst(special.mean_resultant_length(concentration, d), length) < tolerance / 100 + torch.finfo(dtype).eps
        assert worst(special.mean_resultant_complement(concentration, d), complement) < tolerance
        value = special.von_mises_fisher_log_normalizer(concentration, d)
        assert worst(value, log_normalizer, floor=1) < tolerance / 2
        value = special.von_mises_fisher_log_peak(concentration, d)
        assert worst(value, k + log_normalizer, floor=1) < tolerance + 1e-10  # the expected value cancels at large κ
        small = k < 200
        value = special.von_mises_fisher_negentropy(concentration, d)
        assert worst(value[small], (k * length + log_normalizer + area)[small], floor=1) < tolerance


@pytest.mark.parametrize("d", [2, 3, 40, 1000])
def test_limits_of_the_normaliser(d: int):
    small, large = double([1e-30, 1e-9]), double([1e10, 1e12])
    assert worst(special.mean_resultant_length(small, d), small / d) < 1e-14
    assert worst(special.mean_resultant_slope(small, d), torch.full_like(small, 1 / d)) < 1e-13
    assert worst(special.von_mises_fisher_negentropy(small, d), small.square() / (2 * d)) < 1e-13
    area = special.log_sphere_area(d)
    assert worst(special.von_mises_fisher_log_normalizer(small, d), torch.full_like(small, -area)) < 1e-13
    # the normal distribution on the tangent space, and the first term after it
    size = d - 1
    first = size * (d - 3) / 8 / large
    assert worst(special.von_mises_fisher_log_peak(large, d), size / 2 * (large / (2 * math.pi)).log() + first) < 1e-13
    assert worst(special.mean_resultant_complement(large, d), size / (2 * large) - first / large) < 1e-12
    assert worst(special.mean_resultant_slope(large, d), size / (2 * large.square()) - 2 * first / large.square()) < 1e-12


def test_sample_derivative_in_three_dimensions():
    # F(w) = (e^{κw} − e^{−κ})/(e^κ − e^{−κ}) has an inverse in closed form
    concentration = torch.linspace(0.1, 8, 40, dtype=torch.float64, requires_grad=True)
    u = torch.rand(40, dtype=torch.float64)
    w = 1 + torch.log(u + (1 - u) * (-2 * concentration).exp()) / concentration
    (expected,) = torch.autograd.grad(w.sum(), concentration)
    grad = special.von_mises_fisher_sample_grad(concentration.detach(), w.detach(), 3)
    torch.testing.assert_close(grad, expected, rtol=1e-11, atol=1e-13)


def test_sample_derivative_on_the_circle_is_that_of_von_mises():
    concentration, angle = double([1e-3, 0.3, 4.0, 1e3])[:, None], double([1e-4, 0.05, 1.0, 2.0, 3.1])
    grad = special.von_mises_fisher_angle_grad(concentration, angle, 2)
    near = concentration * angle.square() < 30  # where there are draws
    assert worst(grad[near], von_mises_sample_grad(concentration, angle)[near]) < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [2, 3, 50, 3000])
def test_edges_of_the_sample_derivatives(d: int, dtype: torch.dtype):
    concentration = torch.tensor([0.0, 1e-30, 1e-3, 1.0, 1e5, 1e10, 1e30], dtype=dtype)[:, None]
    w = torch.tensor([-1.0, -1 + 1e-7, -0.3, 0.0, 0.7, 1 - 1e-7, 1.0], dtype=dtype)
    grad = special.von_mises_fisher_sample_grad(concentration, w, d)
    assert (grad.isfinite() & (grad >= 0)).all()
    assert (grad[:, [0, -1]] == 0).all()
    # at κ = 0 the integral is elementary
    expected = (1 - w.double()) * (1 + w.double()) / (d - 1)
    assert worst(grad[:2, 1:-1], expected[1:-1].expand(2, 5)) < {torch.float32: 1e-6, torch.float64: 1e-12}[dtype]
    angle = torch.tensor([0.0, 1e-20, 1e-3, 2.0, math.pi], dtype=dtype)
    grad = special.von_mises_fisher_angle_grad(concentration, angle, d)
    assert (grad.isfinite() & (grad <= 0)).all()
    assert (grad[:, [0, -1]] == 0).all()


def test_outside_the_domain():
    nan = math.nan
    concentration, w = double([-1.0, 1.0, 1.0, nan, 1.0]), double([0.5, 1.5, -1.5, 0.5, nan])
    assert special.von_mises_fisher_sample_grad(concentration, w, 3).isnan().all()
    angle = double([0.5, 3.2, -0.1, 0.5, nan])
    assert special.von_mises_fisher_angle_grad(concentration, angle, 3).isnan().all()
    for function in FUNCTIONS:
        assert function(double([-1.0, nan]), 3).isnan().all()
        with pytest.raises(ValueError, match="at least 2"):
            function(double(1.0), 1)


@every_function
@pytest.mark.parametrize("d", [2, 5, 60])
def test_derivatives_of_the_normaliser(function, d: int):
    concentration = double([0.03, 1.0, 7.0, 90.0]).requires_grad_()
    tolerances = {"eps": 1e-5, "rtol": 1e-5, "atol": 1e-8}
    assert torch.autograd.gradcheck(lambda k: function(k, d), concentration, check_forward_ad=True, **tolerances)
    if function is not special.mean_resultant_slope:
        assert torch.autograd.gradgradcheck(lambda k: function(k, d), concentration, **tolerances)


def test_refused_derivatives():
    concentration = double(2.0).requires_grad_()
    for function in (special.von_mises_fisher_sample_grad, special.von_mises_fisher_angle_grad):
        (slope,) = torch.autograd.grad(function(concentration, double(0.5), 3), concentration, create_graph=True)
        with pytest.raises(NotImplementedError, match="cannot be differentiated"):
            slope.backward()
    slope = special.mean_resultant_slope(concentration, 3)
    (curvature,) = torch.autograd.grad(slope, concentration, create_graph=True)
    with pytest.raises(NotImplementedError, match="cannot be differentiated"):
        curvature.backward()


@every_dimension
@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_draws_follow_the_distribution(d: int, concentration: float):
    loc = direction(d)
    z = VonMisesFisher(loc, concentration).sample((DRAWS,))
    assert unit_vector.check(z).all()
    w = z @ loc
    tangent = z - w.unsqueeze(-1) * loc
    angle = torch.atan2(tangent.norm(dim=-1), w)
    grid = np.linspace(0, min(math.pi, 12 * math.sqrt(d / concentration)), 20_001)
    middle = (grid[1:] + grid[:-1]) / 2
    cdf = np.cumsum(np.exp(concentration * (np.cos(middle) - 1)) * np.sin(middle) ** (d - 2))
    assert_law(angle, lambda x: np.interp(x, grid[1:], cdf / cdf[-1]))
    # the tangent is uniform: its mean is 0 and its second moments are those of a projection
    assert_mean(normalize(tangent, dim=-1), torch.zeros(d, dtype=torch.float64))
    outer = torch.einsum("ni,nj->nij", *(normalize(tangent, dim=-1),) * 2)
    assert_mean(outer, (torch.eye(d, dtype=torch.float64) - torch.outer(loc, loc)) / (d - 1))


@every_dimension
@pytest.mark.parametrize("concentration", [1e-3, 1.0, 10.0, 1e3])
def test_moments_and_their_gradients(d: int, concentration: float):
    loc, probe = direction(d), direction(d, seed=2)
    k = torch.full((DRAWS,), concentration, dtype=torch.float64, requires_grad=True)
    raw = loc.repeat(DRAWS, 1).requires_grad_()
    p = VonMisesFisher(normalize(raw, dim=-1), k)
    z = p.rsample()
    assert_mean(z, p.mean[0])
    assert_mean((z - p.mean).square(), p.variance[0])
    # E<probe, z> = A c and E<probe, z>² = ρ + (1 − dρ) c², with c = <probe, loc> and ρ = A/κ
    length, slope = (f(double(concentration), d) for f in (special.mean_resultant_length, special.mean_resultant_slope))
    c, rho = probe @ loc, length / concentration
    tangent = probe - c * loc
    projection = z @ probe
    d_k, d_loc = torch.autograd.grad(projection.sum(), (k, raw), retain_graph=True)
    assert_mean(d_k, slope * c)
    assert_mean(d_loc, length * tangent)
    d_k, d_loc = torch.autograd.grad(projection.square().sum(), (k, raw))
    assert_mean(d_k, (slope - rho) / concentration * (1 - d * c * c))
    assert_mean(d_loc, 2 * (1 - d * rho) * c * tangent)


@every_dimension
def test_log_prob_and_entropy_equal_scipy(d: int):
    loc, z = direction(d), HypersphericalUniform(d, dtype=torch.float64).sample((6,))
    for concentration in (0.1, 3.0, 80.0):
        p, reference = VonMisesFisher(loc, concentration), scipy.stats.vonmises_fisher(loc.numpy(), concentration)
        torch.testing.assert_close(p.log_prob(z), torch.tensor(reference.logpdf(z.numpy())), rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(p.entropy(), double(reference.entropy()), rtol=1e-11, atol=1e-11)
    assert worst(VonMisesFisher(loc, 0.0).log_prob(z), HypersphericalUniform(d).log_prob(z)) < 1e-14


def test_log_prob_keeps_its_digits_at_large_concentrations():
    loc = direction(7)
    p = VonMisesFisher(loc, 1e10)
    # E ln p = −H, with the variance of a χ² variable of 6 degrees of freedom, halved
    assert_mean(p.log_prob(p.sample((DRAWS,))), -p.entropy())
    single = VonMisesFisher(normalize(loc.float(), dim=-1).requires_grad_(), torch.tensor(1e10, requires_grad=True))
    z = single.rsample((DRAWS,))
    assert unit_vector.check(z).all()
    gradients = torch.autograd.grad(z.square().sum() + z.sum(), (single.loc, single.concentration))
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_dimension
def test_divergences(d: int):
    k, other = double([1e-3, 0.5, 6.0, 150.0]), double([0.2, 0.5, 60.0, 10.0])
    p, q = VonMisesFisher(direction(d), k), VonMisesFisher(direction(d, seed=2), other)
    uniform = HypersphericalUniform(d, dtype=torch.float64)
    length = special.mean_resultant_length(k, d)
    log_normalizer = [special.von_mises_fisher_log_normalizer(concentration, d) for concentration in (k, other)]
    expected = length * (k - other * (p.loc * q.loc).sum(-1)) + log_normalizer[0] - log_normalizer[1]
    torch.testing.assert_close(kl_divergence(p, q), expected, rtol=1e-12, atol=1e-13)
    assert (kl_divergence(p, p) == 0).all()
    torch.testing.assert_close(kl_divergence(p, uniform), uniform.entropy() - p.entropy(), rtol=0, atol=1e-13)
    torch.testing.assert_close(
        kl_divergence(p, VonMisesFisher(direction(d), 0.0)), kl_divergence(p, uniform), rtol=1e-12, atol=1e-13
    )
    with pytest.raises(ValueError, match="different dimensions"):
        kl_divergence(p, HypersphericalUniform(d + 1))


@pytest.mark.parametrize("d", [2, 5])
def test_gradients_of_closed_forms(d: int):
    raw, other = direction(d).repeat(3, 1).requires_grad_(), direction(d, seed=2).requires_grad_()
    k, z = double([0.01, 2.0, 40.0]).requires_grad_(), direction(d, seed=3).requires_grad_()

    def closed_forms(raw: Tensor, other: Tensor, k: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        p = VonMisesFisher(normalize(raw, dim=-1), k)
        q = VonMisesFisher(normalize(other, dim=-1), k.flip(0))
        return p.log_prob(normalize(z, dim=-1)), p.entropy(), kl_divergence(p, q), p.mean, p.variance

    assert torch.autograd.gradcheck(closed_forms, (raw, other, k, z), rtol=1e-5, atol=1e-7, check_forward_ad=True)

    def tangential(k: Tensor, z: Tensor) -> Tensor:
        return VonMisesFisher(direction(d), k).log_prob(normalize(z, dim=-1))

    assert torch.autograd.gradgradcheck(tangential, (k, z), rtol=1e-5, atol=1e-7)


def test_shapes_expand_and_half_precision():
    p = VonMisesFisher(normalize(torch.randn(4, 1, 3), dim=-1), torch.rand(5))
    assert (p.batch_shape, p.event_shape) == ((4, 5), (3,))
    assert p.rsample((2,)).shape == (2, 4, 5, 3)
    for property_ in (p.mean, p.variance, p.mode):
        assert property_.shape == (4, 5, 3)
    expanded = p.expand((2, 4, 5))
    assert type(expanded) is VonMisesFisher
    assert expanded.rsample().shape == (2, 4, 5, 3)
    torch.testing.assert_close(expanded.entropy()[0], p.entropy())
    uniform = HypersphericalUniform(3, (4, 1)).expand((4, 5))
    assert kl_divergence(p, uniform).shape == (4, 5)
    assert uniform.rsample((2,)).shape == (2, 4, 5, 3)
    half = VonMisesFisher(torch.eye(3)[0].to(torch.bfloat16), torch.tensor(2.0, dtype=torch.bfloat16))
    assert half.rsample((7,)).dtype == half.log_prob(half.sample()).dtype == torch.bfloat16


@pytest.mark.parametrize("d", [2, 3, 6])
def test_uniform_distribution(d: int):
    p = HypersphericalUniform(d, dtype=torch.float64)
    z = p.rsample((DRAWS,))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(DRAWS, dtype=torch.float64))
    assert_mean(z, p.mean)
    assert_mean(z.square(), p.variance)
    area = {2: 2 * math.pi, 3: 4 * math.pi, 6: math.pi**3}[d]
    torch.testing.assert_close(p.log_prob(z[0]), double(-math.log(area)))
    torch.testing.assert_close(p.entropy(), double(math.log(area)))


def test_generator_and_seed_reproduce_draws():
    for p in (VonMisesFisher(direction(4).repeat(30, 1), 2.0), HypersphericalUniform(4, (30,))):
        first, second = (p.rsample((3,), generator=torch.Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(first, second)
        seed(7)
        first = p.sample()
        seed(7)
        assert torch.equal(first, p.sample())


def test_validation():
    loc = direction(3)
    for bad_loc, bad_k in ((2 * loc, 1.0), (loc, -1.0), (loc * math.nan, 1.0)):
        with pytest.raises(ValueError, match="constraint"):
            VonMisesFisher(bad_loc, bad_k, validate_args=True)
    for p in (VonMisesFisher(loc, 1.0), HypersphericalUniform(3, dtype=torch.float64)):
        with pytest.raises(ValueError, match="support"):
            p.log_prob(1.01 * loc)
    for bad in (double(1.0), double([1.0])):
        with pytest.raises(ValueError, match="at least 2"):
            VonMisesFisher(bad, 1.0)
    with pytest.raises(ValueError, match="at least 2"):
        HypersphericalUniform(1)


def test_under_vmap():
    loc, k = normalize(torch.randn(6, 4), dim=-1), torch.rand(6) * 5
    z = normalize(torch.randn(4), dim=-1)

    def log_prob(loc: Tensor, k: Tensor) -> Tensor:
        return VonMisesFisher(loc, k, validate_args=False).log_prob(z)

    torch.testing.assert_close(torch.func.vmap(log_prob)(loc, k), VonMisesFisher(loc, k).log_prob(z))

    def draw(loc: Tensor, k: Tensor) -> Tensor:
        return VonMisesFisher(loc, k, validate_args=False).rsample((5,))

    assert unit_vector.check(torch.func.vmap(draw, randomness="different")(loc, k)).all()
    draws = torch.func.vmap(lambda loc: draw(loc, k[0]), randomness="same")(loc[:1].repeat(6, 1))
    assert torch.equal(draws[0], draws[5])
    draws = torch.func.vmap(lambda loc: draw(loc, k[0]), randomness="different")(loc[:1].repeat(6, 1))
    assert not torch.equal(draws[0], draws[5])
    with pytest.raises(RuntimeError, match="randomness"):
        torch.func.vmap(draw)(loc, k)
    gradients = torch.func.vmap(torch.func.grad(lambda loc, k: draw(loc, k)[0].sum(), argnums=(0, 1)), randomness="different")
    assert all(gradient.isfinite().all() for gradient in gradients(loc, k))


def test_forward_mode_agrees_with_backward():
    loc, k = direction(4), double(3.0)

    def draw(loc: Tensor, k: Tensor) -> Tensor:
        return VonMisesFisher(loc, k, validate_args=False).rsample(generator=torch.Generator().manual_seed(0))

    _, forward = torch.func.jvp(draw, (loc, k), (torch.ones_like(loc), double(2.0)))
    rows = torch.autograd.functional.jacobian(draw, (loc, k))
    torch.testing.assert_close(forward, rows[0] @ torch.ones_like(loc) + 2 * rows[1])


def test_under_compile():
    def draw(raw: Tensor, k: Tensor) -> Tensor:
        return VonMisesFisher(normalize(raw, dim=-1), k, validate_args=False).rsample()[:, 0]

    raw, k = torch.randn(DRAWS, 3).requires_grad_(), torch.full((DRAWS,), 2.0, requires_grad=True)
    torch.compile(draw, fullgraph=True, backend="aot_eager")(raw, k).sum().backward()
    loc = normalize(raw.detach(), dim=-1).double()
    assert_mean(k.grad - special.mean_resultant_slope(double(2.0), 3) * loc[:, 0], 0.0)
    # the gradient in the mean direction is tangential in every draw
    torch.testing.assert_close((raw.grad * raw).sum(-1), torch.zeros(DRAWS), rtol=0, atol=1e-4)


def test_log_prob_can_be_traced():
    def log_prob(loc: Tensor, k: Tensor) -> Tensor:
        return VonMisesFisher(loc, k, validate_args=False).log_prob(loc.flip(0))

    traced = torch.compile(log_prob, fullgraph=True, backend="eager")
    for d in (40, 45):  # the second makes the dimension a symbol
        loc, k = normalize(torch.randn(5, d), dim=-1), torch.rand(5).requires_grad_()
        expected = torch.autograd.grad(log_prob(loc, k).sum(), k)
        torch.testing.assert_close(torch.autograd.grad(traced(loc, k).sum(), k), expected)


def test_samples_turn_with_their_mean_direction():
    # along a great circle z(t) is a rotation by t in one plane: dz/dt is z turned by a right angle, d²z/dt² = −z in the plane
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    loc = torch.stack((t.cos(), t.sin(), 0 * t, 0 * t))
    z = VonMisesFisher(loc, 3.0, validate_args=False).rsample()
    first, second = [], []
    for component in z:
        (slope,) = torch.autograd.grad(component, t, create_graph=True)
        first.append(slope.detach())
        second.append(torch.autograd.grad(slope, t, retain_graph=True)[0])
    plane = z.detach() * torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(torch.stack(second), -plane)
    torch.testing.assert_close(torch.stack(first), torch.stack((-plane[1], plane[0], plane[2], plane[3])))


def test_the_support_is_named_in_full_in_error_messages():
    assert str(VonMisesFisher.support) == "UnitVector()"
