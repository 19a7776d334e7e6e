"""Every file of configs/latent: a new one is tested with no edit here."""

from typing import Any

import pytest
import scipy.stats
import torch
from omegaconf import OmegaConf
from torch import Tensor

from irg_experiments.config import choices, config_directory
from irg_experiments.data.images import binarize
from irg_experiments.errors import UserError
from irg_experiments.estimators import ESTIMATORS
from irg_experiments.models.latents import Latent, make_latent
from irg_experiments.models.latents.concrete import ExpConcrete
from irg_experiments.models.vae import VAE
from irg_experiments.training.compilation import loss_and_grad

NAMES = choices("latent")


def latent_of(name: str, dim: int) -> Latent:
    options: Any = OmegaConf.to_container(OmegaConf.load(config_directory() / "latent" / f"{name}.yaml"))
    assert options["name"] == name
    return make_latent(
        options["family"], dim, **{k: v for k, v in options.items() if k not in ("name", "family", "dim", "compare")}
    )


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


@pytest.mark.parametrize("name", NAMES)
def test_divergence_is_the_mean_log_ratio(name: str):
    """Against 100,000 samples of each of eight posteriors, |z| < 5; in float64, as float32 rounds samples near 1.

    Where it is sampled, the densities must be those of the samples: the mean of p/q is 1 for a posterior p near q.
    """
    latent = latent_of(name, 3).double()
    outputs = outputs_of(latent, 8).double()
    q = latent.posterior(outputs)
    kl = latent.kl(q)
    z = q.sample((100_000,))
    if kl is None:
        assert name in ("student_t", "mixture", "concrete")
        near = latent.posterior(outputs + 0.1 * torch.randn_like(outputs))
        expected, value = torch.ones(8).double(), (near.log_prob(z) - q.log_prob(z)).exp()
    else:
        expected, value = kl, q.log_prob(z) - latent.prior.log_prob(z)
    error = (value.mean(0) - expected) / (value.std(0) / len(value) ** 0.5)
    assert expected.shape == (8,)
    assert error.abs().max() < 5


def test_concrete_densities_compare_across_temperatures():
    """As posterior and prior do: the mean of p/q over 100,000 samples of each of eight q is 1, |z| < 5."""
    logits = torch.randn(8, 10).double()
    q, p = (ExpConcrete(logits.new_tensor(temperature), logits=logits) for temperature in (0.67, 0.6))
    z = q.sample((100_000,))
    ratio = (p.log_prob(z) - q.log_prob(z)).exp()
    assert ((ratio.mean(0) - 1) / (ratio.std(0) / len(ratio) ** 0.5)).abs().max() < 5


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_square_is_mapped_to_the_prior(name: str):
    """Each number of the codes, and their products, by 20,000 points each way and the test of Kolmogorov & Smirnov."""
    latent = latent_of(name, 2)
    if not latent.geometry:
        return
    mapped, drawn = (latent.code(z) for z in (latent.quantile(torch.rand(20_000, 2)), latent.prior.sample((20_000,))))
    for numbers in (lambda code: code, lambda code: code[:, :1] * code[:, 1:]):
        for ours, theirs in zip(numbers(mapped).T, numbers(drawn).T, strict=True):
            assert scipy.stats.ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 5e-7


def test_the_simplex_has_quantiles_for_every_prior():
    latent = make_latent("dirichlet", 2, concentration=0.3)
    mapped, drawn = latent.quantile(torch.rand(20_000, 2)), latent.prior.sample((20_000,))
    for ours, theirs in zip(mapped.T, drawn.T, strict=True):
        assert scipy.stats.ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 5e-7


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
    torch.testing.assert_close(code.var(0).sum(), expected, rtol=0.05, atol=0)


@pytest.mark.parametrize("name", ["normal", "gamma", "gamma_10", "beta", "beta_10", "dirichlet"])
def test_the_decoder_gets_codes_in_units_of_the_prior(name: str):
    """Mean 0 and variance 1 of each number, from 100,000 samples."""
    latent = latent_of(name, 3)
    code = latent.code(latent.prior.sample((100_000,)))
    torch.testing.assert_close(code.mean(0), torch.zeros(latent.code_size), rtol=0, atol=0.02)
    torch.testing.assert_close(code.var(0), torch.ones(latent.code_size), rtol=0.08, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_reaches_every_parameter(name: str):
    vae = VAE(16, latent_of(name, 2), hidden=(8, 8))
    x = (torch.rand(5, 16) < 0.5).float()
    bound = vae.bound(x, 0.5, lambda f, q, n: f(q.rsample((n,))).mean(0))
    gradients = torch.autograd.grad(bound.sum(), list(vae.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0].abs().sum() > 0


@pytest.mark.compiler
@pytest.mark.parametrize("name", ["normal", "gamma", "von_mises", "mixture"])  # the sphere would take 20 s more
def test_a_compiled_training_step_equals_the_eager_one(name: str):
    """The same draws of pixels and codes, and so loss and gradients to float32's rounding."""
    vae = VAE(16, latent_of(name, 2), hidden=())
    parameters, estimator = list(vae.parameters()), ESTIMATORS["implicit"]()
    pixels = torch.randint(256, (32, 16), dtype=torch.uint8)

    def loss(pixels: Tensor, kl_weight: Tensor) -> Tensor:
        return -vae.bound(binarize(pixels), kl_weight, estimator.expectation).mean()

    results = []
    for mode in ("off", "on"):
        function = loss_and_grad(loss, parameters, mode, torch.device("cpu"))
        torch.manual_seed(1)
        results.append(function(pixels, torch.tensor(0.5)))
    (eager, expected), (compiled, gradients) = results
    torch.testing.assert_close(compiled, eager, rtol=1e-5, atol=0)
    for gradient, reference in zip(gradients, expected, strict=True):
        assert (gradient - reference).norm() <= 1e-5 * reference.norm()


@pytest.mark.parametrize("name", NAMES)
def test_extreme_encoders_give_finite_bounds_and_gradients(name: str):
    latent = latent_of(name, 2)
    for size in (0.0, 30.0, -30.0, 1e4, -1e4):
        outputs = torch.full((3, latent.num_parameters), size) + torch.randn(3, latent.num_parameters)
        outputs.requires_grad_()
        q = latent.posterior(outputs)
        kl = latent.kl(q)
        value = latent.code(q.rsample()).sum(-1) if kl is None else latent.code(q.rsample()).sum(-1) + kl
        (gradient,) = torch.autograd.grad(value.sum(), outputs)
        assert value.isfinite().all()
        assert gradient.isfinite().all()


def test_bad_dimensions_and_families_are_refused():
    dims: tuple[Any, ...] = (0, -1, 1.5)
    for dim in dims:
        with pytest.raises(UserError, match="at least 1"):
            make_latent("normal", dim)
    with pytest.raises(UserError, match="Did you mean normal"):
        make_latent("normall", 2)
    with pytest.raises(UserError, match=r"model\.limits"):
        make_latent("normal", 2, (1.0, 0.5))


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("von_mises", {"concentration": -10.0}),
        ("beta", {"concentration": -0.5}),
        ("gamma", {"concentration": 0.3, "rate": -1.0}),
        ("student_t", {"df": 0.0}),
        ("dirichlet", {"concentration": 0.0}),
    ],
)
def test_priors_that_cannot_exist_are_refused(family: str, options: dict[str, float]):
    with pytest.raises(UserError, match="There is no"):
        make_latent(family, 2, **options)
