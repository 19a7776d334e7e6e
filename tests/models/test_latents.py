"""Every file of configs/latent: a new one is tested with no edit here."""

import inspect
import math
from typing import Any

import pytest
import scipy.stats
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.components import Component, find
from irg_experiments.data.images import binarize
from irg_experiments.estimators import Implicit
from irg_experiments.models import latents
from irg_experiments.models.latents import DirichletLatent, Latent
from irg_experiments.models.latents.concrete import ExpConcrete
from irg_experiments.models.vae import VAE
from tests.compiler import assert_compiled_equals_eager
from tests.options import TREE, accepts, build, names
from tests.statistics import assert_mean, assert_same_law

NAMES = names("latent")
PARAMETERIZATIONS = ("natural", "location_precision")


PARTS = {1: ["beta:1"], 2: ["von_mises:1", "normal:1"], 3: ["von_mises:1", "normal:1", "gamma:1"]}


def latent_of(name: str, dim: int, **changes: Any) -> Latent:
    if "parts" in TREE.load("latent", name):
        changes.setdefault("parts", PARTS[dim])
    return build("latent", name, dim=dim, **changes)


def outputs_of(latent: Latent, number: int) -> torch.Tensor:
    return torch.randn(number, latent.num_parameters)


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_shapes(name: str, dim: int):
    latent = latent_of(name, dim)
    q = latent.posterior(outputs_of(latent, 4))
    z = q.rsample((2,))
    assert q.batch_shape == (4,)
    assert q.log_prob(z).shape == (2, 4)
    assert latent.prior.log_prob(z).shape == (2, 4)
    assert latent.code(z).shape == (2, 4, latent.code_size)
    assert latent.code(latent.mean(q)).shape == (4, latent.code_size)
    assert latent.units(q).shape[0] == 4
    assert latent.prior.sample((5,)).shape == (5, *z.shape[2:])
    assert not latent.state_dict()
    inner = q.base_dist if isinstance(q, td.Independent) else q
    assert isinstance(inner, latent.family)


@pytest.mark.parametrize("name", NAMES)
def test_divergence_is_the_mean_log_ratio(name: str):
    """Against 100,000 samples of each of eight posteriors; in float64, as float32 rounds samples near 1.

    The outputs are at least -0.5, so that no concentration is below 0.47: of a Beta of 0.1, one sample in 25 is within the
    eps of float64 of 1, and rounding decides its log-density.

    Where it is sampled, the densities must be those of the samples: the mean of p/q is 1 for a posterior p near q.
    """
    latent = latent_of(name, 3).double()
    outputs = outputs_of(latent, 8).double().clamp(min=-0.5)
    q = latent.posterior(outputs)
    kl = latent.kl(q)
    z = q.sample((100_000,))
    if kl is None:
        assert name in ("student_t", "mixture", "concrete")
        near = latent.posterior(outputs + 0.1 * torch.randn_like(outputs))
        expected, value = torch.ones(8).double(), (near.log_prob(z) - q.log_prob(z)).exp()
    else:
        expected, value = kl, q.log_prob(z) - latent.prior.log_prob(z)
    assert expected.shape == (8,)
    assert_mean(value, expected)


def test_concrete_densities_compare_across_temperatures():
    """As posterior and prior do: the mean of p/q over 100,000 samples of each of eight q is 1."""
    logits = torch.randn(8, 10).double()
    q, p = (ExpConcrete(logits.new_tensor(temperature), logits=logits) for temperature in (0.67, 0.6))
    z = q.sample((100_000,))
    assert_mean((p.log_prob(z) - q.log_prob(z)).exp(), 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_square_is_mapped_to_the_prior(name: str):
    """Each number of the codes, and their products, by 5,000 points each way and the test of Kolmogorov & Smirnov."""
    latent = latent_of(name, 2)
    if latent.geometry is None:
        with pytest.raises(NotImplementedError, match="no geometry"):
            latent.quantile(torch.rand(1, 2))
        return
    mapped, drawn = (latent.code(z) for z in (latent.quantile(torch.rand(5000, 2)), latent.prior.sample((5000,))))
    for numbers in (lambda code: code, lambda code: code[:, :1] * code[:, 1:]):
        for ours, theirs in zip(numbers(mapped).T, numbers(drawn).T, strict=True):
            assert_same_law(ours, theirs)


def test_the_simplex_has_quantiles_for_every_prior():
    latent = DirichletLatent(2, concentration=0.3)
    mapped, drawn = latent.quantile(torch.rand(5000, 2)), latent.prior.sample((5000,))
    for ours, theirs in zip(mapped.T, drawn.T, strict=True):
        assert_same_law(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_the_variance_of_the_prior(name: str):
    """Of the code of each unit, its numbers summed, from 100,000 samples."""
    latent = latent_of(name, 3)
    code = latent.code(latent.prior.sample((100_000,)))
    units = latent.units(latent.posterior(outputs_of(latent, 2))).shape[1]
    expected = (latent.prior_variance() * torch.ones(units)).sum()
    if name == "concrete":
        assert 0.5 * expected < code.var(0).sum() < expected
        return
    assert_mean((code - code.mean(0)).square().sum(-1), expected)


@pytest.mark.parametrize("df", [0.5, 1.0, 1.5, 2.0])
def test_heavy_tailed_student_t_codes_have_a_scale(df: float):
    """That of the normal distribution with the same quartiles, where the variance is infinite or does not exist."""
    latent = latents.StudentTLatent(3, df)
    expected = (scipy.stats.t(df).ppf(0.75) / scipy.stats.norm.ppf(0.75)) ** 2
    torch.testing.assert_close(latent.prior_variance(), torch.full((3,), expected, dtype=torch.float32))


@pytest.mark.parametrize("name", ["normal", "gamma", "gamma_10", "beta", "beta_10", "dirichlet"])
def test_the_decoder_gets_codes_in_units_of_the_prior(name: str):
    """Mean 0 and variance 1 of each number, from 100,000 samples."""
    latent = latent_of(name, 3)
    code = latent.code(latent.prior.sample((100_000,)))
    assert_mean(code, 0.0)
    assert_mean((code - code.mean(0)).square(), 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_reaches_every_parameter(name: str):
    vae = VAE(16, latent_of(name, 2), hidden=(8, 8))
    x = (torch.rand(50, 16) < 0.5).float()
    bound = vae.bound(x, 0.5, lambda f, q, n: f(q.rsample((n,))).mean(0))
    parameters = dict(vae.named_parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(bound.sum(), list(parameters.values())), strict=True))
    for parameter, gradient in gradients.items():
        assert gradient.isfinite().all(), parameter
        assert gradient.abs().sum() > 0, parameter
    # each output of the encoder has a row of the last layer's weights
    assert (gradients["encoder.4.weight"].abs().sum(1) > 0).all()


@pytest.mark.compiler
@pytest.mark.parametrize("name", ["gamma", "mixture"])
def test_a_compiled_training_step_equals_the_eager_one(name: str):
    assert_step_is_the_same_compiled(name)


@pytest.mark.compiler
@pytest.mark.parametrize("name", ["von_mises", "von_mises_fisher"])
def test_a_traced_training_step_equals_the_eager_one(traced_only, name: str):
    assert_step_is_the_same_compiled(name)


def assert_step_is_the_same_compiled(name: str) -> None:
    """The same draws of pixels and codes, and so loss and gradients to float32's rounding."""
    vae = VAE(16, latent_of(name, 2), hidden=(), parameterization="location_precision")
    parameters, estimator = list(vae.parameters()), Implicit()
    pixels = torch.randint(256, (32, 16), dtype=torch.uint8)

    def loss(pixels: Tensor, kl_weight: Tensor) -> Tensor:
        return -vae.bound(binarize(pixels), kl_weight, estimator.expectation).mean()

    assert_compiled_equals_eager(loss, parameters, pixels, torch.tensor(0.5))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_extreme_encoders_give_finite_bounds_and_gradients(name: str, parameterization: Any):
    latent = latent_of(name, 2)
    latent.parameterization = parameterization
    for size in (0.0, 30.0, -30.0, 1e4, -1e4):
        outputs = torch.full((3, latent.num_parameters), size) + torch.randn(3, latent.num_parameters)
        outputs.requires_grad_()
        q = latent.posterior(outputs)
        kl = latent.kl(q)
        value = latent.code(q.rsample()).sum(-1) if kl is None else latent.code(q.rsample()).sum(-1) + kl
        (gradient,) = torch.autograd.grad(value.sum(), outputs)
        assert value.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("size", [1.0, 15.0])
@pytest.mark.parametrize("name", NAMES)
def test_float32_has_the_digits_of_divergences_and_weights_up_to_the_limits(name: str, size: float):
    """With the options of ``configs/model/vae.yaml``, for 500 posteriors; large outputs reach its limits."""
    model = TREE.load("model", "vae")
    narrow, wide = latent_of(name, 3), latent_of(name, 3).double()
    for latent in (narrow, wide):
        latent.configure(tuple(model["limits"]), model["parameterization"])
    outputs = size * torch.randn(500, narrow.num_parameters)
    q, exact = narrow.posterior(outputs), wide.posterior(outputs.double())
    z = q.sample()
    weight, exact_weight = (
        q.log_prob(z) - narrow.prior.log_prob(z),
        exact.log_prob(z.double()) - wide.prior.log_prob(z.double()),
    )
    torch.testing.assert_close(weight.double(), exact_weight, rtol=1e-3, atol=1e-3)
    kl, exact_kl = narrow.kl(q), wide.kl(exact)
    if kl is not None and exact_kl is not None:
        torch.testing.assert_close(kl.double(), exact_kl, rtol=1e-5, atol=1e-5)


def test_dirichlet_codes_that_underflow_have_finite_weights():
    """With a sparse prior, most posteriors have parts below the smallest float."""
    vae = VAE(16, DirichletLatent(10, concentration=0.05), hidden=(), parameterization="location_precision")
    x = (torch.rand(50, 16) < 0.5).float()
    z = vae.posterior(x).sample((100,))
    assert (z == torch.finfo(z.dtype).tiny).any()
    assert vae.log_evidence(x, 100).isfinite().all()
    bound = build("objective", "stl").bound(vae, x, 1.0, Implicit().expectation, 5)
    parts = torch.autograd.grad(bound.sum(), list(vae.parameters()))
    assert all(part.isfinite().all() for part in (bound, *parts))


AT_ZERO = {"concentration1", "concentration0", "concentration", "rate", "scale"}


@pytest.mark.parametrize("name", ["normal", "gamma", "gamma_10", "beta", "beta_10", "von_mises_10", "dirichlet"])
def test_by_location_and_precision_outputs_of_zero_give_the_prior(name: str):
    """And an output of ln 4 in all the second half, four times its precision at the same mean."""
    latent = latent_of(name, 3)
    latent.parameterization = "location_precision"
    outputs = torch.zeros(2, latent.num_parameters)
    outputs[1, latent.num_parameters - 3 :] = math.log(4)
    q, prior = latent.posterior(outputs), latent.prior_factor
    inner = q.base_dist if isinstance(q, td.Independent) else q
    for parameter in AT_ZERO & prior.arg_constraints.keys():
        torch.testing.assert_close(getattr(inner, parameter)[0], getattr(prior, parameter))
    if name in ("gamma", "gamma_10", "beta", "beta_10"):
        torch.testing.assert_close(inner.mean[1], prior.mean)
        precise = inner.concentration if "gamma" in name else inner.concentration1
        torch.testing.assert_close(precise[1], 4 * latent.concentration)


def test_beta_and_gamma_codes_have_the_mean_that_their_location_says():
    u = torch.tensor([[-3.0, 0.5, 2.0]])
    outputs = torch.cat([u, torch.randn(1, 3)], -1)
    for latent, mean in ((latents.BetaLatent(3, 1.0), u.sigmoid()), (latents.GammaLatent(3, 0.3, 0.6), 0.5 * u.exp())):
        latent.parameterization = "location_precision"
        torch.testing.assert_close(latent.posterior(outputs).mean, mean)


@pytest.mark.parametrize(("parameterization", "least", "most"), [("natural", -5.0, 5.0), ("location_precision", -2.0, 2.0)])
def test_clipped_parameters_are_counted(parameterization: Any, least: float, most: float):
    latent = latents.VonMisesFisherLatent(2)
    latent.parameterization, latent.limits = parameterization, (0.2, 4.0)
    outputs = torch.zeros(4, 4)
    outputs[:, -1] = torch.tensor([least, 0.0, 0.1, most])
    with latent.clipped_parameters() as clipped:
        concentration = latent.posterior(outputs).concentration
    assert [kind.flatten().tolist() for kind in clipped] == [[1, 0, 0, -1]]
    torch.testing.assert_close(concentration[[0, 3]], torch.tensor([0.2, 4.0]))
    assert latent._clipped is None


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_a_precision_beyond_a_limit_comes_back_but_goes_no_further(parameterization: Any):
    """A loss that pulls all precisions one way moves those within the limits and those beyond the other limit."""
    latent = latents.VonMisesFisherLatent(2)
    latent.parameterization, latent.limits = parameterization, (0.2, 4.0)
    outputs = torch.zeros(3, 4)
    outputs[:, -1] = torch.tensor([-5.0, 0.1, 5.0])
    outputs.requires_grad_()
    for direction, moves in ((1, [False, True, True]), (-1, [True, True, False])):
        (gradient,) = torch.autograd.grad(direction * latent.posterior(outputs).concentration.sum(), outputs)
        assert (gradient[:, -1] * direction > 0).tolist() == moves
        assert (gradient[:, -1] != 0).tolist() == moves


def target_of(name: str) -> Any:
    return find(Component(**TREE.load("latent", name)), "latent")


def options_of(name: str) -> dict[str, Any]:
    signature = inspect.signature(target_of(name))
    return {option: parameter.annotation for option, parameter in signature.parameters.items()}


@pytest.mark.parametrize("name", NAMES)
def test_options_without_meaning_are_refused(name: str):
    """By the annotations of the constructor."""
    options = options_of(name)
    assert "dim" in options
    for option in options:
        for value in (-1, float("nan"), float("inf"), True, "abc", None, [1]):
            assert not accepts(target_of(name), option, value), (option, value)
    for dim in (0, 1.5):
        assert not accepts(target_of(name), "dim", dim)


def test_a_uniform_von_mises_prior_is_accepted_and_a_categorical_of_one_class_refused():
    assert accepts(latents.VonMisesLatent, "concentration", 0)
    assert not accepts(latents.GammaLatent, "rate", 0)
    assert not accepts(latents.ConcreteLatent, "classes", 1)


@pytest.mark.parametrize("value", [1e-6, 1e6])
@pytest.mark.parametrize("name", NAMES)
def test_priors_at_the_ends_of_their_range_exist(name: str, value: float):
    """In float32: valid parameters, finite codes and, in closed form, a finite divergence."""
    target = target_of(name)
    changes = {option: value for option, kind in options_of(name).items() if float in getattr(kind, "__args__", ())}
    assert all(accepts(target, option, value) for option in changes)
    latent = latent_of(name, 2, **changes)
    prior = latent.prior_factor
    for parameter, constraint in prior.arg_constraints.items():
        if not constraint.is_discrete and parameter in vars(prior):
            assert constraint.check(getattr(prior, parameter)).all()
    q = latent.posterior(torch.randn(4, latent.num_parameters))
    kl = latent.kl(q)
    assert kl is None or kl.isfinite().all()
    assert latent.code(q.sample()).isfinite().all()


def test_a_space_without_geometry_has_codes_in_units_of_the_prior():
    class Flat(latents.GammaLatent):
        geometry = None

    z = torch.rand(5, 2)
    torch.testing.assert_close(Flat(2, 0.3, 0.3).code(z), latents.GammaLatent(2, 0.3, 0.3).code(z))
