"""The Beta distribution, from two Gamma variables in log space."""

import torch
from torch import Generator, Size, Tensor
from torch.nn.functional import logsigmoid

from irg_experiments.implicit.distributions.base import Reparameterizable, inside_unit_interval
from irg_experiments.implicit.distributions.dtypes import in_float64
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.special.beta import betainc
from irg_experiments.implicit.special.betaincinv import betaincinv


class Beta(Reparameterizable, torch.distributions.Beta):
    """Beta(a, b), density z^(a−1) (1−z)^(b−1) / B(a, b) on (0, 1), drop-in for ``torch.distributions.Beta``.

    Args:
        concentration1: a > 0.
        concentration0: b > 0, broadcast with ``concentration1``.

    ``rsample`` computes z = g_a / (g_a + g_b), g_a ~ Gamma(a, 1) and g_b ~ Gamma(b, 1), as the sigmoid of log g_a − log g_b;
    each log g carries its implicit gradient. The support is open: draws that round to 0 or 1 are returned as the nearest float
    inside.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        concentrations = (self.concentration1.expand(shape), self.concentration0.expand(shape))
        return beta_from_log_gammas(*(log_gamma_rsample(concentration, generator) for concentration in concentrations))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.concentration1, self.concentration0, self._validated(value))

    def entropy(self) -> Tensor:
        """ln B(a, b) − (a − 1) ψ(a) − (b − 1) ψ(b) + (a + b − 2) ψ(a + b), in nats."""
        return _entropy(self.concentration1, self.concentration0)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.betainc``; differentiable in the value and both concentrations."""
        return betainc(self.concentration1, self.concentration0, self._validated(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value)."""
        # 1 − value is exact for values above 1/2, but rounds off digits of smaller ones
        low = self._validated(value) < 0.5
        a = torch.where(low, self.concentration1, self.concentration0)
        b = torch.where(low, self.concentration0, self.concentration1)
        tail = betainc(a, b, torch.where(low, value, 1 - value))
        return torch.where(low, 1 - tail, tail)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, by ``special.betaincinv``; differentiable in it and both concentrations."""
        return betaincinv(self.concentration1, self.concentration0, value)

    def _saturated(self, value: Tensor) -> Tensor:
        return inside_unit_interval(value)


def beta_from_log_gammas(log_gamma1: Tensor, log_gamma0: Tensor) -> Tensor:
    """Return g₁/(g₁ + g₀) from ln g₁ and ln g₀, moved to the nearest float inside (0, 1) if it rounds to 0 or 1."""
    # the derivative of exp(logsigmoid(x)) is z · sigmoid(−x), accurate even where 1 − z rounds to 0
    return inside_unit_interval(logsigmoid(log_gamma1 - log_gamma0).exp())


@torch.distributions.register_kl(Beta, Beta)
def kl_beta_beta(p: Beta, q: Beta) -> Tensor:
    """KL(p ‖ q) in nats, with s = a + b.

    ln B(a_q, b_q) − ln B(a_p, b_p) + (a_p − a_q) ψ(a_p) + (b_p − b_q) ψ(b_p) − (s_p − s_q) ψ(s_p).
    """
    return _divergence(p.concentration1, p.concentration0, q.concentration1, q.concentration0)


@in_float64
def _divergence(pa: Tensor, pb: Tensor, qa: Tensor, qb: Tensor) -> Tensor:
    means = (pa - qa) * pa.digamma() + (pb - qb) * pb.digamma()
    return _log_beta(qa, qb) - _log_beta(pa, pb) + means - (pa + pb - qa - qb) * (pa + pb).digamma()


@in_float64
def _log_density(a: Tensor, b: Tensor, value: Tensor) -> Tensor:
    return torch.xlogy(a - 1, value) + torch.special.xlog1py(b - 1, -value) - _log_beta(a, b)


@in_float64
def _entropy(a: Tensor, b: Tensor) -> Tensor:
    return _log_beta(a, b) - (a - 1) * a.digamma() - (b - 1) * b.digamma() + (a + b - 2) * (a + b).digamma()


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return a.lgamma() + b.lgamma() - (a + b).lgamma()
