"""Training objectives: values and mean gradients against closed forms and quadrature, and against each other."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from irg_experiments.data.images import binarize
from irg_experiments.estimators import Explicit, Implicit, PathwiseOMT
from irg_experiments.implicit import Gamma
from irg_experiments.models.latents import GammaLatent, NormalLatent, VonMisesLatent
from irg_experiments.models.objectives import ELBO, IWAE, DReG, Objective, StickingTheLanding
from irg_experiments.models.vae import VAE
from tests.compiler import assert_compiled_equals_eager
from tests.options import build, names
from tests.statistics import DRAWS, assert_mean, assert_same_mean, seed

STD = 0.7  # of the pixels given the codes
EXPECTATION = Explicit().expectation


class LinearGaussian:
    """x = W z + offset + noise, with columns of W that are orthogonal, so that the posterior has independent coordinates.

    ``outputs`` are those of the encoder, one row per image: a row and an offset of its own for each image make independent
    gradients of one backward pass.
    """

    bound, posterior = VAE.bound, VAE.posterior

    def __init__(self, outputs: Tensor, weight: Tensor, offset: Tensor) -> None:
        self.outputs, self.weight, self.offset = outputs, weight, offset
        self.latent = NormalLatent(weight.shape[1]).double()

    def encoder(self, x: Tensor) -> Tensor:
        return self.outputs

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        return Normal(z @ self.weight.mT + self.offset, STD).log_prob(x).sum(-1)

    def log_evidence(self, x: Tensor) -> Tensor:
        covariance = self.weight @ self.weight.mT + STD**2 * torch.eye(len(self.weight)).double()
        return MultivariateNormal(self.offset, covariance).log_prob(x)


WEIGHT = torch.tensor([[0.8, 0.3], [0.4, -0.6]]).double()
X = torch.tensor([0.7, -1.1]).double()


def inverse_softplus(y: Tensor) -> Tensor:
    return y.expm1().log()


def exact_outputs(weight: Tensor, offset: Tensor, x: Tensor) -> Tensor:
    """The encoder's outputs for the posterior N(V Wᵀ(x − offset)/s², V), V⁻¹ = 1 + WᵀW/s²."""
    variance = 1 / (1 + (weight * weight).sum(0) / STD**2)
    loc = variance * ((x - offset) @ weight) / STD**2
    return torch.cat([loc, inverse_softplus(variance.sqrt())])


def copies(weight: Tensor, outputs: Tensor, number: int) -> tuple[LinearGaussian, list[Tensor]]:
    """The model of so many images, each with encoder outputs and an offset of its own; these are the parameters."""
    own = [outputs.repeat(number, 1).requires_grad_(), torch.zeros(number, len(weight)).double().requires_grad_()]
    return LinearGaussian(own[0], weight, own[1]), own


def gradients(objective: Objective, model: Any, own: list[Tensor], kl_weight: float, num_samples: int) -> list[Tensor]:
    x = X[: own[1].shape[-1]].expand(len(own[0]), -1)
    return list(torch.autograd.grad(objective.bound(model, x, kl_weight, EXPECTATION, num_samples).sum(), own))


@pytest.mark.parametrize("name", [name for name in names("objective") if name != "elbo"])
@pytest.mark.parametrize("num_samples", [1, 4])
def test_the_bound_is_tight_at_the_exact_posterior(name: str, num_samples: int):
    """For every sample, as log w does not depend on it; the evidence in closed form."""
    model, _ = copies(WEIGHT, exact_outputs(WEIGHT, torch.zeros(2).double(), X), 50)
    x = X.expand(50, -1)
    bound = build("objective", name).bound(model, x, 1.0, EXPECTATION, num_samples)
    torch.testing.assert_close(bound, model.log_evidence(x))


def test_without_the_score_the_gradient_at_the_exact_posterior_is_zero_for_every_sample():
    model, own = copies(WEIGHT, exact_outputs(WEIGHT, torch.zeros(2).double(), X), DRAWS)
    for objective in (StickingTheLanding(), DReG()):
        encoder, decoder = gradients(objective, model, own, 1.0, 3)
        torch.testing.assert_close(encoder, torch.zeros_like(encoder), atol=1e-12, rtol=0)
        assert decoder.abs().mean() > 0.1
    for objective in (ELBO(), IWAE()):  # zero in the mean alone
        encoder, _ = gradients(objective, model, own, 1.0, 3)
        assert encoder.abs().mean() > 0.1
        assert_mean(encoder, 0.0)


OUTPUTS = torch.tensor([0.9, -0.4, 0.3, -0.8]).double()  # far from the posterior


@pytest.mark.parametrize("kl_weight", [1.0, 0.4])
def test_the_evidence_lower_bound_and_its_gradient_are_those_in_closed_form(kl_weight: float):
    """E_q[log p(x | z)] is log p(x | E z) less the variance of the pixels' means; 20,000 gradients."""
    exact, own = copies(WEIGHT, OUTPUTS, 1)
    q = exact.posterior(X[None]).base_dist
    spread = 0.5 * (q.variance @ (WEIGHT * WEIGHT).mT).sum(-1) / STD**2
    value = exact.log_likelihood(X[None], q.mean) - spread - kl_weight * exact.latent.kl(exact.posterior(X[None]))
    expected = torch.autograd.grad(value.sum(), own)
    for objective in (ELBO(), StickingTheLanding()):
        model, many = copies(WEIGHT, OUTPUTS, DRAWS)
        assert_mean(objective.bound(model, X.expand(DRAWS, -1), kl_weight, EXPECTATION, 2), value.squeeze())
        for found, reference in zip(gradients(objective, model, many, kl_weight, 2), expected, strict=True):
            assert_mean(found, reference.squeeze(0))


def quadrature(num_samples: int) -> tuple[Tensor, Tensor]:
    """Points (K, N) and weights (N) for expectations over K standard normal variables, 40 Gauss–Hermite points each."""
    points, weights = (torch.from_numpy(it) for it in np.polynomial.hermite_e.hermegauss(40))
    grid = torch.cartesian_prod(*[points] * num_samples).reshape(-1, num_samples)
    product = torch.cartesian_prod(*[weights / math.sqrt(2 * math.pi)] * num_samples).reshape(-1, num_samples).prod(-1)
    return grid.mT, product


@pytest.mark.parametrize("kl_weight", [1.0, 0.4, 0.0])
@pytest.mark.parametrize("objective", [IWAE(), DReG()], ids=lambda it: type(it).__name__)
@pytest.mark.parametrize("num_samples", [2, 3])
def test_the_importance_weighted_bound_and_its_gradient_are_those_of_quadrature(
    objective: Objective, num_samples: int, kl_weight: float
):
    """With one code per image, in one coordinate; 20,000 gradients against 40 points per sample."""
    weight, outputs = WEIGHT[:1, :1], torch.tensor([0.9, -0.8]).double()
    noise, weights = quadrature(num_samples)
    exact, own = copies(weight, outputs, 1)
    q = exact.posterior(X[None, :1])
    z = q.mean + q.base_dist.scale * noise[..., None]  # (K, N, 1), with the N points in the place of images
    log_w = exact.log_likelihood(X[None, :1], z) - kl_weight * (q.log_prob(z) - exact.latent.prior.log_prob(z))
    value = (weights * (log_w.logsumexp(0) - math.log(num_samples))).sum()
    expected = torch.autograd.grad(value, own)
    model, many = copies(weight, outputs, DRAWS)
    x = X[:1].expand(DRAWS, -1)
    assert_mean(objective.bound(model, x, kl_weight, EXPECTATION, num_samples), value)
    for found, reference in zip(gradients(objective, model, many, kl_weight, num_samples), expected, strict=True):
        assert_mean(found, reference.squeeze(0))


def test_with_one_sample_all_are_the_evidence_lower_bound():
    """The same draws, so the same values; and the gradients are two pairs, with the score and without it."""
    found = {}
    model, own = copies(WEIGHT, OUTPUTS, 20)
    model.latent.kl = lambda q: None
    for name in names("objective"):
        seed(5)
        found[name] = gradients(build("objective", name), model, own, 0.7, 1)
        seed(5)
        value = build("objective", name).bound(model, X.expand(20, -1), 0.7, EXPECTATION)
        seed(5)
        torch.testing.assert_close(value, ELBO().bound(model, X.expand(20, -1), 0.7, EXPECTATION))
    for first, second in (("elbo", "iwae"), ("stl", "dreg")):
        torch.testing.assert_close(found[first], found[second])
    assert not torch.allclose(found["elbo"][0], found["stl"][0])


LATENTS = {
    "gamma": lambda: GammaLatent(2, concentration=1.0, rate=1.0),
    "von_mises": lambda: VonMisesLatent(2, concentration=0.0),
}


@pytest.mark.parametrize("kl_weight", [1.0, 0.4])
@pytest.mark.parametrize("pair", [(ELBO(), StickingTheLanding()), (IWAE(), DReG())], ids=["elbo-stl", "iwae-dreg"])
@pytest.mark.parametrize("name", LATENTS)
def test_the_score_has_mean_zero_for_implicit_gradients(name: str, pair: tuple[Objective, Objective], kl_weight: float):
    """The mean gradient in the encoder's outputs with and without it, over 20,000 repeats in float64."""
    torch.manual_seed(3)  # the same weights under every IRG_TEST_SEED
    latent = LATENTS[name]()
    model = VAE(6, latent, hidden=[5, 4]).double()
    x = (torch.rand(1, 6) < 0.5).double()
    outputs = 1.0 + 0.5 * torch.randn(1, latent.num_parameters).double()
    seed(3)
    found = []
    for objective in pair:
        own = outputs.repeat(DRAWS, 1).requires_grad_()
        model.encoder.forward = lambda x, own=own: own
        bound = objective.bound(model, x.expand(DRAWS, -1), kl_weight, Implicit().expectation, 3)
        found += torch.autograd.grad(bound.sum(), own)
    assert_same_mean(*found)


def test_the_bound_without_gradients_is_that_of_the_samples():
    """As evaluations take it: by ``sample_mean``."""
    model, _ = copies(WEIGHT, OUTPUTS, 7)
    x, q = X.expand(7, -1), model.posterior(X)
    drawn: list[Tensor] = []

    def recorded(f: Any, q: Any, num_samples: int) -> Tensor:
        drawn.append(q.sample((num_samples,)))
        return f(drawn[-1]).mean(0)

    for name in ("iwae", "dreg"):
        with torch.no_grad():
            bound = build("objective", name).bound(model, x, 1.0, recorded, 4)
        z = drawn[-1]
        log_weight = model.log_likelihood(x, z) + model.latent.prior.log_prob(z) - q.log_prob(z)
        torch.testing.assert_close(bound, log_weight.exp().mean(0).log())


def test_any_estimator_that_is_pathwise_will_do():
    model = VAE(6, GammaLatent(2, concentration=1.0, rate=1.0), hidden=[5])
    x = (torch.rand(3, 6) < 0.5).float()
    for estimator in (Implicit(), PathwiseOMT()):
        assert estimator.pathwise
        bound = DReG().bound(model, x, 1.0, estimator.expectation, 4)
        assert bound.shape == (3,)
        parts = torch.autograd.grad(bound.sum(), list(model.parameters()))
        assert all(part.isfinite().all() for part in parts)
        assert parts[0].abs().sum() > 0
        q = Gamma(torch.ones(3), torch.ones(3))
        assert estimator.expectation(lambda z: z.logsumexp(0, keepdim=True), q, 4).shape == (3,)


@pytest.mark.compiler
@pytest.mark.parametrize(("name", "of"), [("stl", "normal"), ("dreg", "von_mises")])
def test_a_traced_training_step_equals_the_eager_one(traced_only, name: str, of: str):
    """The same draws of pixels and codes, and so loss and gradients to float32's rounding."""
    latent = build("latent", of)
    model, objective, estimator = VAE(16, latent, hidden=()), build("objective", name), Implicit()
    parameters = list(model.parameters())
    pixels = torch.randint(256, (32, 16), dtype=torch.uint8)

    def loss(pixels: Tensor, kl_weight: Tensor) -> Tensor:
        return -objective.bound(model, binarize(pixels), kl_weight, estimator.expectation, 3).mean()

    assert_compiled_equals_eager(loss, parameters, pixels, torch.tensor(0.5))
