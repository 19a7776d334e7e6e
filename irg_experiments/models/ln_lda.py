"""Latent Dirichlet allocation with an amortised logistic-normal posterior (Srivastava & Sutton 2017)."""

from typing import Any

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.implicit.distributions.normal import Normal, kl_normal_normal
from irg_experiments.models.amortized_lda import AmortizedLDA


class LNLDA(AmortizedLDA):
    """θ = softmax(z), q(z | w) = Normal(μ, diag σ²), with (μ, softplus⁻¹ σ) = encoder(counts); see ``AmortizedLDA``.

    The prior of z is ``laplace_approximation(α)`` of the Dirichlet(α) that LDA has. σ is clipped to ``limits``: its softplus
    grows linearly, so that no single step of the optimiser multiplies it, as the exponential of an output would be. A document
    is represented by softmax(μ), as the mean of softmax(z) has no closed form.

    Source: Srivastava & Sutton (2017), without their batch normalisation and dropout, which LDA here does not have either.
    """

    family = Normal
    outputs_per_topic = 2
    least_topics = 2  # θ = softmax(z) of a single z is no random variable

    @property
    def prior(self) -> Normal:
        """The K independent factors of p(z)."""
        return Normal(*laplace_approximation(self.prior_concentration), validate_args=False)

    def posterior(self, x: BagOfWords) -> td.Distribution:
        """See ``TopicModel``; q(z | w)."""
        loc, outputs = self.encode(x).chunk(2, -1)
        factors = Normal(loc, self.positive(outputs), validate_args=False)
        return td.Independent(factors, 1, validate_args=False)

    def kl(self, q: Any) -> Tensor:
        """See ``TopicModel``."""
        return kl_normal_normal(q.base_dist, self.prior).sum(-1)

    def topic_weights(self, sample: Tensor) -> Tensor:
        """See ``TopicModel``; softmax(z)."""
        return torch.softmax(sample, -1)


def laplace_approximation(concentration: Tensor) -> tuple[Tensor, Tensor]:
    """The diagonal normal distribution that approximates Dirichlet(α) in the softmax basis, θ = softmax(z) with Σ z_k = 0.

    μ_k = ln α_k − (1/K) Σ_i ln α_i,    σ_k² = (1/α_k)(1 − 2/K) + (1/K²) Σ_i 1/α_i.

    In this basis the log-density is Σ α_k ln θ_k(z) + const. μ is its only maximum on the plane Σ z_k = 0, and σ² the diagonal
    of the inverse of its negative Hessian on that plane; what is off the diagonal is left out.

    Args:
        concentration: α > 0, shape (K,) with K ≥ 2.

    Returns:
        μ and σ > 0, both (K,).

    Source: Hennig et al. (2012); Srivastava & Sutton (2017), section 3.2.
    """
    size, inverse = concentration.shape[-1], concentration.reciprocal()
    log = concentration.log()
    variance = inverse * (1 - 2 / size) + inverse.mean(-1, keepdim=True) / size
    return log - log.mean(-1, keepdim=True), variance.sqrt()
