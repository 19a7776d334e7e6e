"""The variational auto-encoder with any latent space (Kingma & Welling 2013; Rezende et al. 2014)."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from irg_experiments.models.common import ElboTerms, Expectation, glorot_linear
from irg_experiments.models.latents import Latent


def _perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLUs between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [glorot_linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """p(x | z) = Π Bernoulli(x_p | sigmoid(decoder(z)_p)), z ~ prior, q(z | x) = posterior(encoder(x)).

    Args:
        pixels: P.
        latent: prior, posterior and code.
        hidden: widths of the encoder's ReLU layers; the decoder has them in reverse.
    """

    def __init__(self, pixels: int, latent: Latent, hidden: Sequence[int] = (256, 128)) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = _perceptron((pixels, *hidden, latent.num_parameters))
        self.decoder = _perceptron((latent.code_size, *reversed(hidden), pixels))

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x) of binary images (B, P)."""
        return self.latent.posterior(self.encoder(x))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) of images (B, P) under samples of batch shape (..., B): shape (..., B), in nats."""
        logits = self.decoder(self.latent.code(z))
        return (x * logits - softplus(logits)).sum(-1)

    def mean_image(self, z: Tensor) -> Tensor:
        """The probability that each pixel is on: shape (..., P)."""
        return torch.sigmoid(self.decoder(self.latent.code(z)))

    def bound(self, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """E_q[log p(x | z)] − kl_weight · KL(q ‖ prior) of each image; ``expectation`` estimates it and carries the gradient.

        Where the divergence has no closed form it is part of the expectation, as that of log q(z | x) − log p(z).
        """
        posterior = self.posterior(x)
        kl = self.latent.kl(posterior)
        if kl is not None:
            return expectation(lambda z: self.log_likelihood(x, z), posterior, num_samples) - kl_weight * kl
        prior = self.latent.prior

        def integrand(z: Tensor) -> Tensor:
            return self.log_likelihood(x, z) - kl_weight * (posterior.log_prob(z) - prior.log_prob(z))

        return expectation(integrand, posterior, num_samples)

    def elbo(self, x: Tensor, num_samples: int = 1) -> ElboTerms:
        """The bound's two terms, by samples of the posterior, for evaluation: no gradient goes through the samples."""
        posterior = self.posterior(x)
        z = posterior.sample((num_samples,))
        kl = self.latent.kl(posterior)
        if kl is None:
            kl = (posterior.log_prob(z) - self.latent.prior.log_prob(z)).mean(0)
        return ElboTerms(self.log_likelihood(x, z).mean(0), kl)

    def log_evidence(self, x: Tensor, num_samples: int) -> Tensor:
        """ln (1/S) Σ_s p(x | z_s) p(z_s) / q(z_s | x), z_s ~ q: at most log p(x) in expectation, and more exact with more S.

        Source: Burda, Grosse & Salakhutdinov (2016).
        """
        posterior = self.posterior(x)
        z = posterior.sample((num_samples,))
        log_weight = self.log_likelihood(x, z) + self.latent.prior.log_prob(z) - posterior.log_prob(z)
        return log_weight.logsumexp(0) - math.log(num_samples)
