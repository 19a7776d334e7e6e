"""The variational auto-encoder with any latent space (Kingma & Welling 2013; Rezende et al. 2014)."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from irg_experiments.config.types import Limits, Positive, Widths
from irg_experiments.models.common import LIMITS, ElboTerms, Expectation, Weights, linear
from irg_experiments.models.latents import Latent
from irg_experiments.models.latents.base import Parameterization


def _perceptron(widths: Sequence[int], weights: Weights) -> nn.Sequential:
    """Linear layers with ReLUs between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [linear(fan_in, fan_out, weights), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """p(x | z) = Π Bernoulli(x_p | sigmoid(decoder(z)_p)), z ~ prior, q(z | x) = posterior(encoder(x)).

    Args:
        pixels: P.
        latent: prior, posterior and code; its ``limits`` are set here.
        hidden: widths of the encoder's ReLU layers; the decoder has them in reverse.
        limits: smallest and largest value of the positive parameters of a posterior; others are clipped.
        parameterization: of the posteriors by the encoder's outputs, see ``Latent.positive``.
        weights: how the weights of the layers start, see ``linear``.
        code_scale: factor of the decoder's inputs, which are in units of the prior before.
    """

    def __init__(
        self,
        pixels: int,
        latent: Latent,
        hidden: Widths,
        limits: Limits = LIMITS,
        parameterization: Parameterization = "natural",
        weights: Weights = "glorot_normal",
        code_scale: Positive = 1.0,
    ) -> None:
        super().__init__()
        self.latent, self.code_scale = latent, code_scale
        latent.configure(limits, parameterization)
        self.encoder = _perceptron((pixels, *hidden, latent.num_parameters), weights)
        self.decoder = _perceptron((latent.code_size, *reversed(hidden), pixels), weights)

    def logits(self, z: Tensor) -> Tensor:
        """The decoder's logits of the pixels for samples z of batch shape (..., B): shape (..., B, P)."""
        return self.decoder(self.code_scale * self.latent.code(z))

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x) of binary images (B, P)."""
        return self.latent.posterior(self.encoder(x))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) of images (B, P) under samples of batch shape (..., B): shape (..., B), in nats."""
        logits = self.logits(z)
        return (x * logits - softplus(logits)).sum(-1)

    def mean_image(self, z: Tensor) -> Tensor:
        """The probability that each pixel is on: shape (..., P)."""
        return torch.sigmoid(self.logits(z))

    def bound(self, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """The training objective E_q[log p(x | z)] − kl_weight · KL(q ‖ prior) of each image, to be maximised.

        Optimisers must minimise its negative: beyond ``limits`` a parameter has the gradient of a loss alone, see
        ``models.latents.limits.clip``. A divergence without a closed form is estimated as the expectation of
        log q(z | x) − log p(z).

        Args:
            x: B binary images, (B, P).
            kl_weight: 1 for the evidence lower bound; smaller during the warm-up.
            expectation: ``expectation(f, q, num_samples)`` estimates E_q[f(z)] and carries the gradient.
            num_samples: samples of z per image.

        Returns:
            Shape (B,), in nats.
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
        """The evidence lower bound of each image, for evaluation: z comes from the posterior's sampler, without gradient."""
        posterior = self.posterior(x)
        z = posterior.sample((num_samples,))
        kl = self.latent.kl(posterior)
        if kl is None:
            kl = (posterior.log_prob(z) - self.latent.prior.log_prob(z)).mean(0)
        return ElboTerms(self.log_likelihood(x, z).mean(0), kl)

    def log_evidence(self, x: Tensor, num_samples: int) -> Tensor:
        """The importance-weighted likelihood ln (1/S) Σ_s p(x | z_s) p(z_s) / q(z_s | x), z_s ~ q.

        In expectation it is at most log p(x), and increases with S towards it.

        Args:
            x: B binary images, (B, P).
            num_samples: S.

        Returns:
            Shape (B,), in nats.

        Source: Burda, Grosse & Salakhutdinov (2016).
        """
        posterior = self.posterior(x)
        z = posterior.sample((num_samples,))
        log_weight = self.log_likelihood(x, z) + self.latent.prior.log_prob(z) - posterior.log_prob(z)
        return log_weight.logsumexp(0) - math.log(num_samples)
