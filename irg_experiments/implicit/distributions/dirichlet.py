"""The Dirichlet distribution, by normalising Gamma variables in log space."""

from typing import Any

import torch
from torch import Size, Tensor
from torch.types import _size

from irg_experiments.implicit._autograd import is_traced
from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.sampling import standard_log_gamma
from irg_experiments.implicit.special.gamma import log_gamma_sample_grad


class Dirichlet(Reparameterizable, torch.distributions.Dirichlet):
    """Dirichlet(concentration), density ∏ θ_k^(α_k−1) · Γ(Σα)/∏Γ(α_k) on the simplex, drop-in for ``torch.distributions``.

    Args:
        concentration: α > 0, of shape (..., K).

    θ = softmax(log g) with g_k ~ Gamma(α_k, 1); the gradient is the implicit one of each log g_k. Drawing in log space keeps
    θ unbiased and its gradient finite down to α of 1e-3 in float32, where the Gamma variables themselves underflow: a
    component is then exactly 0 when its true value is below the smallest float.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        if is_traced():
            return softmax_from_largest(log_gamma_rsample(concentration, generator))
        return _Normalised.apply(standard_log_gamma(concentration, generator), concentration)


def softmax_from_largest(logits: Tensor) -> Tensor:
    """Softmax over the last dimension whose gradient stays relatively accurate when one component takes nearly all the mass.

    The gradient of the largest logit, θ_m Σ_{k≠m} θ_k (g_m − g_k), is tiny there; taken as θ_m (g_m − Σ θ_k g_k) it drowns
    in the rounding of g_m, and dlog g/dα ≈ 1e6 at α = 1e-3 would amplify that error to order one. Differences from the
    largest logit make it a plain sum over the others.
    """
    return torch.softmax(logits - logits.max(-1, keepdim=True).values, -1)


class _Normalised(torch.autograd.Function):
    """``softmax_from_largest`` of log-Gammas with their implicit gradient, in one step: a tenth faster for a small batch.

    What is taken off the incoming gradient does not count, as θ sums to one: g_m leaves the plain sum over the others.
    """

    @staticmethod
    def forward(ctx: Any, log_gamma: Tensor, concentration: Tensor) -> Tensor:
        theta = torch.softmax(log_gamma, -1)
        ctx.save_for_backward(log_gamma, concentration, theta)
        ctx.save_for_forward(log_gamma, concentration, theta)
        return theta

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, Tensor]:
        (grad,), (log_gamma, concentration, theta) = grad_outputs, ctx.saved_tensors
        shifted = grad - grad.gather(-1, theta.argmax(-1, keepdim=True))
        grad_log_gamma = theta * (shifted - (theta * shifted).sum(-1, keepdim=True))
        return None, grad_log_gamma * log_gamma_sample_grad(concentration, log_gamma)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        log_gamma, concentration, theta = ctx.saved_tensors
        tangent = tangents[1] * log_gamma_sample_grad(concentration, log_gamma)
        return theta * (tangent - (theta * tangent).sum(-1, keepdim=True))


@torch.distributions.register_kl(Dirichlet, Dirichlet)
def kl_dirichlet_dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    """KL(p ‖ q) = ln Γ(Σα) − ln Γ(Σβ) − Σ (ln Γ(α_k) − ln Γ(β_k)) + Σ (α_k − β_k)(ψ(α_k) − ψ(Σα)), in nats."""
    p_total, q_total = p.concentration.sum(-1), q.concentration.sum(-1)
    normaliser = p_total.lgamma() - q_total.lgamma() - (p.concentration.lgamma() - q.concentration.lgamma()).sum(-1)
    log_theta = p.concentration.digamma() - p_total.digamma().unsqueeze(-1)
    return normaliser + ((p.concentration - q.concentration) * log_theta).sum(-1)
