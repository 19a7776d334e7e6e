import math

import torch
from torch.distributions import Normal

from irg_experiments.models.latents import make_latent
from irg_experiments.models.vae import VAE


def model_and_images(family: str = "normal", dim: int = 1) -> tuple[VAE, torch.Tensor]:
    torch.manual_seed(3)
    model = VAE(12, make_latent(family, dim), hidden=(6, 5))
    return model.double(), (torch.rand(4, 12) < 0.4).double()


def exact_log_evidence(model: VAE, x: torch.Tensor) -> torch.Tensor:
    """ln ∫ p(x | z) N(z; 0, 1) dz by the trapezoidal rule, which is exact to rounding for such an integrand."""
    z = torch.linspace(-12, 12, 20_001, dtype=torch.double)[:, None, None].expand(-1, len(x), 1)
    log_joint = model.log_likelihood(x, z) + Normal(0, 1).log_prob(z.squeeze(-1))
    return log_joint.logsumexp(0) + math.log(24 / 20_000)


def test_importance_weighting_finds_the_evidence():
    """The mean weight of 100,000 samples against quadrature, |z| < 5."""
    model, x = model_and_images()
    with torch.no_grad():
        exact = exact_log_evidence(model, x)
        number = 100_000
        posterior = model.posterior(x)
        z = posterior.sample((number,))
        log_weight = model.log_likelihood(x, z) + model.latent.prior.log_prob(z) - posterior.log_prob(z)
        weight = (log_weight - exact).exp()
        assert ((weight.mean(0) - 1) / (weight.std(0) / number**0.5)).abs().max() < 5
        torch.testing.assert_close(model.log_evidence(x, number), exact, atol=0.02, rtol=0)
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
