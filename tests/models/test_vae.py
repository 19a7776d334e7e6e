import math

import torch
from torch.distributions import Normal

from irg_experiments.models.common import linear
from irg_experiments.models.latents import NormalLatent
from irg_experiments.models.vae import VAE
from tests.options import build
from tests.statistics import assert_mean, seed


def model_and_images() -> tuple[VAE, torch.Tensor]:
    torch.manual_seed(3)  # under every IRG_TEST_SEED: where the posterior is narrow, importance weights are all but unbounded
    model = VAE(12, NormalLatent(1), hidden=[6, 5])
    x = (torch.rand(4, 12) < 0.4).double()
    seed(3)
    return model.double(), x


def exact_log_evidence(model: VAE, x: torch.Tensor) -> torch.Tensor:
    """ln ∫ p(x | z) N(z; 0, 1) dz by the trapezoidal rule, which is exact to rounding for such an integrand."""
    z = torch.linspace(-12, 12, 20_001, dtype=torch.double)[:, None, None].expand(-1, len(x), 1)
    log_joint = model.log_likelihood(x, z) + Normal(0, 1).log_prob(z.squeeze(-1))
    return log_joint.logsumexp(0) + math.log(24 / 20_000)


def test_importance_weighting_finds_the_evidence():
    """The mean weight of 100,000 samples against quadrature."""
    model, x = model_and_images()
    with torch.no_grad():
        exact = exact_log_evidence(model, x)
        number = 100_000
        posterior = model.posterior(x)
        z = posterior.sample((number,))
        log_weight = model.log_likelihood(x, z) + model.latent.prior.log_prob(z) - posterior.log_prob(z)
        weight = (log_weight - exact).exp()
        assert_mean(weight, 1.0)
        # to first order, the error of the logarithm is that of the mean weight
        error = 5 * weight.std(0) / number**0.5
        assert ((model.log_evidence(x, number) - exact).abs() < 1.1 * error).all()
        terms = model.elbo(x, 2000)
        assert (terms.log_likelihood - terms.kl < exact + 0.1).all()


def test_sampled_and_analytic_divergence_give_the_same_bound(monkeypatch):
    """Over 20,000 samples, to 0.1 nats, a few times the statistical error."""
    model, x = model_and_images()

    def mean(f, q, n):
        return f(q.rsample((n,))).mean(0)

    with torch.no_grad():
        analytic = model.bound(x, 0.7, mean, 20_000)
        monkeypatch.setattr(model.latent, "kl", lambda q: None)
        sampled = model.bound(x, 0.7, mean, 20_000)
        terms = model.elbo(x, 20_000)
    torch.testing.assert_close(sampled, analytic, atol=0.1, rtol=0)
    torch.testing.assert_close(terms.log_likelihood - 0.7 * terms.kl, analytic, atol=0.1, rtol=0)


def test_log_likelihood_is_that_of_independent_pixels():
    model, x = model_and_images()
    z = model.posterior(x).sample((3,))
    expected = torch.distributions.Bernoulli(model.mean_image(z)).log_prob(x.expand(3, -1, -1)).sum(-1)
    torch.testing.assert_close(model.log_likelihood(x, z), expected)


def test_the_option_file_gives_the_layers_and_the_limits():
    latent = NormalLatent(2)
    model = build("model", "vae", pixels=20, latent=latent, limits=[0.5, 2.0])
    assert [layer.out_features for layer in model.encoder if hasattr(layer, "out_features")] == [256, 128, 4]
    scale = model.latent.posterior(torch.tensor([[0.0, 0.0, -100.0, 100.0]])).base_dist.scale
    torch.testing.assert_close(scale, torch.tensor([[0.5, 2.0]]))


def test_layers_start_with_the_variance_that_they_say():
    """Of 400,000 weights: 2 / (m + n), and 1 / m times the variance of a normal truncated at two standard deviations."""
    truncated = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
    for weights, variance in (("glorot_normal", 2 / 1300), ("fan_in", truncated / 800)):
        layer = linear(800, 500, weights)
        assert_mean(layer.weight.detach().flatten().square(), variance)
        assert not layer.bias.any()
    assert layer.weight.abs().max() <= 2 / math.sqrt(800)


def test_the_scale_of_codes_multiplies_the_decoders_inputs():
    model = VAE(12, NormalLatent(2), hidden=[6, 5], code_scale=3.0)
    z = torch.randn(4, 2)
    torch.testing.assert_close(model.logits(z), model.decoder(3 * z))
    torch.testing.assert_close(model.mean_image(z), model.decoder(3 * z).sigmoid())
