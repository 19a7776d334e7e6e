"""The Beta distribution, from two Gamma variables in log space."""

import torch
from torch import Size, Tensor
from torch.nn.functional import logsigmoid
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.special.beta import betainc


class Beta(Reparameterizable, torch.distributions.Beta):
    """Beta(a, b), density z^(a−1) (1−z)^(b−1) / B(a, b) on (0, 1), drop-in for ``torch.distributions.Beta``.

    Args:
        concentration1: a > 0.
        concentration0: b > 0, broadcast with ``concentration1``.

    z = g_a / (g_a + g_b) with g_a ~ Gamma(a, 1) and g_b ~ Gamma(b, 1), computed as the sigmoid of log g_a − log g_b; the
    gradient is the implicit one of each log g. Draws that round to an end of the interval are returned as the nearest float
    inside it, as the support is open.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples that carry their implicit gradient; see the class."""
        shape = self._extended_shape(sample_shape)
        concentrations = (self.concentration1.expand(shape), self.concentration0.expand(shape))
        log_gamma1, log_gamma0 = (log_gamma_rsample(concentration, generator) for concentration in concentrations)
        return beta_from_log_gammas(log_gamma1, log_gamma0)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value) by ``special.betainc``, differentiable in value and both concentrations."""
        if self._validate_args:
            self._validate_sample(value)
        return betainc(self.concentration1, self.concentration0, value)

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        if self._validate_args:
            self._validate_sample(value)
        # 1 − value has all the digits of a value above a half, and not those of a small one
        low = value < 0.5
        a, b = (
            torch.where(low, self.concentration1, self.concentration0),
            torch.where(low, self.concentration0, self.concentration1),
        )
        tail = betainc(a, b, torch.where(low, value, 1 - value))
        return torch.where(low, 1 - tail, tail)


def beta_from_log_gammas(log_gamma1: Tensor, log_gamma0: Tensor) -> Tensor:
    """g₁/(g₁ + g₀) from the logarithms, moved to the nearest float inside (0, 1) if it rounds to an end."""
    # exp(logsigmoid) has the slope z · sigmoid(−difference), exact where 1 − z would have rounded to 0
    sample = logsigmoid(log_gamma1 - log_gamma0).exp()
    limits = torch.finfo(sample.dtype)
    inside = sample.detach().clamp(limits.tiny, 1 - limits.eps / 2)
    return sample + (inside - sample.detach())


@torch.distributions.register_kl(Beta, Beta)
def kl_beta_beta(p: Beta, q: Beta) -> Tensor:
    """KL(p ‖ q) in nats, with s = a + b.

    ln B(a_q, b_q) − ln B(a_p, b_p) + (a_p − a_q) ψ(a_p) + (b_p − b_q) ψ(b_p) − (s_p − s_q) ψ(s_p).
    """
    pa, pb, qa, qb = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    normaliser = (pa + pb).lgamma() - pa.lgamma() - pb.lgamma() - ((qa + qb).lgamma() - qa.lgamma() - qb.lgamma())
    means = (pa - qa) * pa.digamma() + (pb - qb) * pb.digamma()
    return normaliser + means - (pa + pb - qa - qb) * (pa + pb).digamma()
