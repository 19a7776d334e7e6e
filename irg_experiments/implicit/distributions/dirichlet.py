"""The Dirichlet distribution, by normalising Gamma variables in log space."""

import math
from typing import Any

import torch
from torch import Generator, Size, Tensor

from irg_experiments.implicit._autograd import is_differentiated, is_traced
from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import in_float64, result_dtype, widened
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.private_torch import softmax_backward
from irg_experiments.implicit.rule import implicit_sample
from irg_experiments.implicit.sampling import standard_log_gamma
from irg_experiments.implicit.special.gamma import log_gamma_sample_grad


class Dirichlet(Reparameterizable, torch.distributions.Dirichlet):
    """Dirichlet(concentration), density ∏ θ_k^(α_k−1) · Γ(Σα)/∏Γ(α_k) on the simplex, drop-in for ``torch.distributions``.

    Args:
        concentration: α > 0, of shape (..., K).

    ``rsample`` computes θ = softmax(log g) with g_k ~ Gamma(α_k, 1); each log g_k carries its implicit gradient. In log space θ
    stays unbiased and its gradient finite down to α = 1e-3 in float32, where the Gamma variables themselves underflow. A
    component below the smallest normal number of the dtype is returned as that number, to stay in the support, and keeps,
    but for float16, the derivative of its logarithm.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        concentration = widened(self.concentration).expand(shape)
        if is_traced():
            theta = _softmax_in_support(log_gamma_rsample(concentration, generator))
        else:
            theta = _Normalised.apply(standard_log_gamma(concentration, generator), concentration)
        dtype = result_dtype(self.concentration)
        return theta if theta.dtype == dtype else _raised(theta.to(dtype), torch.finfo(dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats, with respect to the first K − 1 components."""
        return _log_density(self.concentration, self._validated(value))

    def entropy(self) -> Tensor:
        """Σ ln Γ(α_k) − ln Γ(Σα) + (Σα − K) ψ(Σα) − Σ (α_k − 1) ψ(α_k), in nats."""
        return _entropy(self.concentration)


def softmax_from_largest(logits: Tensor) -> Tensor:
    """Softmax over the last dimension, with an accurate gradient even if one component has nearly all the mass.

    The gradient of the largest logit m is then tiny: θ_m Σ_{k≠m} θ_k (g_m − g_k), for an incoming gradient g. Computed as
    θ_m (g_m − Σ θ_k g_k) it is lost in the rounding of g_m, and dlog g/dα ≈ 1e6 at α = 1e-3 amplifies that error to order one.
    Subtracting the largest logit first leaves a plain sum over the other components.
    """
    return torch.softmax(logits - logits.max(-1, keepdim=True).values, -1)


def _softmax_in_support(logits: Tensor) -> Tensor:
    """``softmax_from_largest`` with the components that underflow raised, in composed operations.

    Log-densities of zero would be infinite, and a ratio of two of them NaN. The logarithm is raised, so that its derivative is
    that of the logarithm of the component, as in ``_Normalised``. The bound is a little above the logarithm of the smallest
    normal number: rounded, its exponential would be below.
    """
    logarithm = torch.log_softmax(logits - logits.max(-1, keepdim=True).values, -1)
    return _raised(logarithm, math.log(torch.finfo(logits.dtype).tiny) + 1e-4).exp()


def _raised(value: Tensor, least: float) -> Tensor:
    """``value.clamp(min=least)`` whose derivative is one everywhere."""
    return value + (value.clamp(min=least) - value).detach()


class _Normalised(torch.autograd.Function):
    """``softmax_from_largest`` of log-Gamma variables with their implicit gradient, fused: 10% faster for a small batch.

    θ sums to one, so a constant may be subtracted from the incoming gradient g; g_m leaves a plain sum over the others.
    """

    @staticmethod
    def forward(ctx: Any, log_gamma: Tensor, concentration: Tensor) -> Tensor:
        theta = torch.softmax(log_gamma, -1)
        theta = theta.clamp(min=torch.finfo(theta.dtype).tiny)
        ctx.save_for_backward(log_gamma, concentration, theta)
        ctx.save_for_forward(log_gamma, concentration, theta)
        return theta

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, Tensor]:
        (grad,), (log_gamma, concentration, theta) = grad_outputs, ctx.saved_tensors
        if is_differentiated():  # with create_graph=True, where the draw depends on the concentration, too
            log_gamma = implicit_sample(log_gamma, log_gamma_sample_grad, concentration)
        shifted = grad - grad.gather(-1, theta.argmax(-1, keepdim=True))
        grad_log_gamma = softmax_backward(shifted, theta, -1, theta.dtype)
        return None, grad_log_gamma * log_gamma_sample_grad(concentration, log_gamma)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        log_gamma, concentration, theta = ctx.saved_tensors
        tangent = tangents[1] * log_gamma_sample_grad(concentration, log_gamma)
        return theta * (tangent - (theta * tangent).sum(-1, keepdim=True))


@in_float64
def _log_density(concentration: Tensor, value: Tensor) -> Tensor:
    return torch.xlogy(concentration - 1, value).sum(-1) - _log_normaliser(concentration)


@in_float64
def _entropy(concentration: Tensor) -> Tensor:
    total = concentration.sum(-1)
    digammas = (total - concentration.shape[-1]) * total.digamma() - ((concentration - 1) * concentration.digamma()).sum(-1)
    return _log_normaliser(concentration) + digammas


def _log_normaliser(concentration: Tensor) -> Tensor:
    return concentration.lgamma().sum(-1) - concentration.sum(-1).lgamma()


@torch.distributions.register_kl(Dirichlet, Dirichlet)
def kl_dirichlet_dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    """KL(p ‖ q) = ln Γ(Σα) − ln Γ(Σβ) − Σ (ln Γ(α_k) − ln Γ(β_k)) + Σ (α_k − β_k)(ψ(α_k) − ψ(Σα)), in nats.

    Computed in the dtype of the parameters, as topic models spend much of a step on it. In float32, with concentrations from 1
    on, its absolute error is at most about 5e-7 Σα ln Σα; ``accurate_kl`` computes in float64.
    """
    return _divergence(p.concentration, q.concentration)


def accurate_kl(p: Dirichlet, q: Dirichlet) -> Tensor:
    """The same, computed in float64 and rounded."""
    return in_float64(_divergence)(p.concentration, q.concentration)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    p_total, q_total = p.sum(-1), q.sum(-1)
    normaliser = p_total.lgamma() - q_total.lgamma() - (p.lgamma() - q.lgamma()).sum(-1)
    log_theta = p.digamma() - p_total.digamma().unsqueeze(-1)
    return normaliser + ((p - q) * log_theta).sum(-1)
