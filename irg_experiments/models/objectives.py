"""What a VAE is trained by: bounds on log p(x), and how their gradients are estimated.

With K samples z_k of q(z | x) and a weight β of the divergence, which is 1 but for a warm-up, the importance weights are

    log w_k = log p(x | z_k) − β (log q(z_k | x) − log p(z_k)),    w̃_k = w_k / Σ_j w_j.

The derivative of log w_k in the parameters φ of q has two parts: ∇z log w_k ∇φ z_k, through the sample, and −β ∇φ log q at a
fixed sample, the score. What the objectives make of them, θ being the decoder's weights:

             estimate            gradient in φ                                        gradient in θ
    ELBO     mean of log w_k     both parts; exact for a divergence in closed form    mean of ∇θ log w_k
    STL      mean of log w_k     without the score, whose mean is zero                mean of ∇θ log w_k
    IWAE     ln (1/K) Σ w_k      Σ w̃_k times both parts                               Σ w̃_k ∇θ log w_k
    DReG     ln (1/K) Σ w_k      Σ w̃_k (1 − β + β w̃_k) ∇z log w_k ∇φ z_k              Σ w̃_k ∇θ log w_k

All estimate the gradient of their value without bias, but for the parameters of q beyond ``model.limits``, see
``models.latents.limits.clip``.
"""

import abc
import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.models.common import Expectation
from irg_experiments.models.vae import VAE

LogWeight = Callable[[Tensor], Tensor]


class Objective(abc.ABC):
    """A training objective of the VAE. ``configs/objective`` names the subclasses by ``_target_``.

    Attributes:
        pathwise: whether it asks for an estimator whose gradient flows through the samples alone, see ``Estimator``.
        multi_sample: whether its value, in place of its gradient alone, depends on the number of samples. Evaluations then
            report it besides the evidence lower bound.
    """

    pathwise: ClassVar[bool] = True
    multi_sample: ClassVar[bool] = False

    @abc.abstractmethod
    def bound(self, model: VAE, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """The objective of each image, to be maximised.

        Args:
            model: whose encoder and decoder are trained.
            x: B binary images, (B, P).
            kl_weight: β, 0 ≤ β ≤ 1; it multiplies log q − log p inside the weights. With 1, the objective is a lower bound of
                log p(x) in expectation.
            expectation: ``expectation(f, q, num_samples)`` estimates E_q[f(z)] and carries the gradient.
            num_samples: K, samples of z per image.

        Returns:
            Shape (B,), in nats.
        """


class ELBO(Objective):
    """The evidence lower bound E_q[log p(x | z)] − β KL(q ‖ p), with the divergence in closed form where there is one.

    Source: Kingma & Welling (2013).
    """

    pathwise = False

    def bound(self, model: VAE, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """See ``Objective``."""
        return model.bound(x, kl_weight, expectation, num_samples)


class StickingTheLanding(Objective):
    """The evidence lower bound from samples, without the score of q in its gradient.

    Where q(z | x) is the exact posterior and the divergence has weight 1, log w is the same for every sample, and so the
    gradient in φ is zero for each one.

    Source: Roeder, Wu & Duvenaud (2017).
    """

    def bound(self, model: VAE, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """See ``Objective``."""
        q, stopped = posteriors(model, x)
        return expectation(log_weight(model, x, stopped, kl_weight), q, num_samples)


class IWAE(Objective):
    """The importance-weighted bound, E[ln (1/K) Σ w_k]; for K = 1 the evidence lower bound, its divergence from samples.

    Source: Burda, Grosse & Salakhutdinov (2016).
    """

    multi_sample = True

    def bound(self, model: VAE, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """See ``Objective``."""
        q, _ = posteriors(model, x)
        log_w = log_weight(model, x, q, kl_weight)
        return expectation(lambda z: log_mean_exp(log_w(z)), q, num_samples)


class DReG(Objective):
    """The importance-weighted bound with the doubly reparameterized gradient in the parameters of q.

    Its score term, Σ E[w̃_k ∇φ log q(z_k)], is reparameterized once more: E_q[g(z) ∇φ log q(z)] = E_q[∇g(z) ∇φ z], and
    ∇ w̃_k = w̃_k (1 − w̃_k) ∇ log w_k in z_k. Subtracted β times from the part through the sample, Σ w̃_k ∇z log w_k ∇φ z_k, this
    leaves the factor w̃_k (1 − β + β w̃_k): for β = 1, the squared weights of Tucker et al.

    The weights are computed once more, without gradient, which costs one pass of the decoder.

    Source: Tucker, Lawson, Gu & Maddison (2019).
    """

    multi_sample = True

    def bound(self, model: VAE, x: Tensor, kl_weight: Tensor | float, expectation: Expectation, num_samples: int = 1) -> Tensor:
        """See ``Objective``."""
        q, stopped = posteriors(model, x)
        log_w = log_weight(model, x, stopped, kl_weight)

        def integrand(z: Tensor) -> Tensor:
            with torch.no_grad():
                factor = 1 - kl_weight * (1 - log_w(z).softmax(0))
            factor = factor.reshape(factor.shape + (1,) * (z.dim() - factor.dim()))
            # the value of z, with its gradient times the factor; the logarithm of the mean brings the other w̃
            return log_mean_exp(log_w(z.detach() + factor * (z - z.detach())))

        return expectation(integrand, q, num_samples)


def posteriors(model: VAE, x: Tensor) -> tuple[Distribution, Distribution]:
    """q(z | x), and the same with its parameters held constant."""
    outputs = model.encoder(x)
    return model.latent.posterior(outputs), model.latent.posterior(outputs.detach())


def log_weight(model: VAE, x: Tensor, q: Distribution, kl_weight: Tensor | float) -> LogWeight:
    """log w of samples (K, B, ...), of shape (K, B)."""
    prior = model.latent.prior
    return lambda z: model.log_likelihood(x, z) - kl_weight * (q.log_prob(z) - prior.log_prob(z))


def log_mean_exp(log_weight: Tensor) -> Tensor:
    """ln (1/K) Σ w_k from log w (K, B), as the one value of all samples: shape (1, B)."""
    return log_weight.logsumexp(0, keepdim=True) - math.log(len(log_weight))
