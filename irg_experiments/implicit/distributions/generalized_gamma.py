"""The generalized Gamma distribution."""

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.base import ReparameterizableByLogarithm, exp_clamped
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc
from irg_experiments.implicit.special.gammaincinv import log_gammaincinv


class GeneralizedGamma(ReparameterizableByLogarithm):
    """GeneralizedGamma(concentration, scale, power), the distribution of s g^(1/p) for g ~ Gamma(k, 1).

    Density p/(s Γ(k)) (z/s)^(k p − 1) e^(−(z/s)^p) for z > 0; in the letters of Stacy (1962) d = k p and a = s. It is Gamma for
    p = 1, Weibull for k = 1, half-normal for k = 1/2 and p = 2, Nakagami for p = 2.

    Args:
        concentration: k > 0.
        scale: s > 0.
        power: p > 0. The three broadcast.
        validate_args: whether to check arguments and values.

    ``rsample`` computes z = s exp((ln g)/p), with the implicit gradient of ln g in k and the explicit one in s and p, which
    agrees with the implicit one. Draws beyond the range of the dtype, common for k p below about 0.1, are returned as its
    largest or smallest normal number.

    Source: Stacy (1962), A generalization of the gamma distribution, eq. 1; Figurnov, Mohamed & Mnih (2018) for the gradient.
    """

    arg_constraints = dict.fromkeys(("concentration", "scale", "power"), constraints.positive)
    support = constraints.positive

    def __init__(
        self,
        concentration: Tensor | float,
        scale: Tensor | float,
        power: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.concentration, self.scale, self.power = broadcast_parameters(concentration, scale, power)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        log_gamma = log_gamma_rsample(self.concentration.expand(shape), generator)
        return exp_clamped(self.scale.log() + log_gamma / self.power)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        return _log_density(self.concentration, self.scale, self.power, self._validated(value))

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), by ``special.gammainc``; differentiable in the value and every parameter."""
        return gammainc(self.concentration, self._unit(value))

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value), by ``special.gammaincc``."""
        return gammaincc(self.concentration, self._unit(value))

    def _log_icdf(self, value: Tensor) -> Tensor:
        return self.scale.log() + log_gammaincinv(self.concentration, value) / self.power

    def _unit(self, value: Tensor) -> Tensor:
        return (self._validated(value) / self.scale).pow(self.power)

    @property
    def mean(self) -> Tensor:
        """s Γ(k + 1/p)/Γ(k)."""
        return self.scale * _moment(self.concentration, 1 / self.power)

    @property
    def variance(self) -> Tensor:
        """s² (Γ(k + 2/p)/Γ(k) − (Γ(k + 1/p)/Γ(k))²), as a difference of logarithms of Gamma functions in float64."""
        return self.scale.square() * _spread(self.concentration, 1 / self.power)

    @property
    def mode(self) -> Tensor:
        """s (k − 1/p)^(1/p) for k p ≥ 1, else 0, where the density is infinite."""
        return self.scale * (self.concentration - 1 / self.power).clamp(min=0).pow(1 / self.power)

    def entropy(self) -> Tensor:
        """ln(s Γ(k)/p) + k + (1/p − k) ψ(k), in nats."""
        return _entropy(self.concentration, self.scale, self.power)


@in_float64
def _log_density(k: Tensor, scale: Tensor, power: Tensor, value: Tensor) -> Tensor:
    log_ratio = value.log() - scale.log()
    return power.log() - scale.log() - k.lgamma() + (k * power - 1) * log_ratio - (power * log_ratio).exp()


@in_float64
def _moment(k: Tensor, order: Tensor) -> Tensor:
    return ((k + order).lgamma() - k.lgamma()).exp()


@in_float64
def _spread(k: Tensor, order: Tensor) -> Tensor:
    first, second = (k + order).lgamma() - k.lgamma(), (k + 2 * order).lgamma() - k.lgamma()
    return (2 * first).exp() * torch.expm1(second - 2 * first)


@in_float64
def _entropy(k: Tensor, scale: Tensor, power: Tensor) -> Tensor:
    return scale.log() - power.log() + k.lgamma() + k + (1 / power - k) * k.digamma()


@torch.distributions.register_kl(GeneralizedGamma, GeneralizedGamma)
def kl_generalized_gamma_generalized_gamma(p: GeneralizedGamma, q: GeneralizedGamma) -> Tensor:
    """KL(p ‖ q) in nats, infinite where E_p[(z/s_q)^p_q] is beyond the range of float64.

    With r = p_q/p_p, ln E_p[(z/s_q)^p_q] = p_q ln(s_p/s_q) + ln Γ(k_p + r) − ln Γ(k_p), and −H(p) and E_p[ln z] in closed form.

    Source: Bauckhage (2014), Computing the Kullback–Leibler divergence between two generalized Gamma distributions, eq. 4.
    """
    return _divergence(p.concentration, p.scale, p.power, q.concentration, q.scale, q.power)


@in_float64
def _divergence(k: Tensor, scale: Tensor, power: Tensor, k_q: Tensor, scale_q: Tensor, power_q: Tensor) -> Tensor:
    log_ratio = scale.log() - scale_q.log()
    log_mean = power_q * log_ratio + (k + power_q / power).lgamma() - k.lgamma()
    normalisers = power.log() - power_q.log() - log_ratio + k_q.lgamma() - k.lgamma()
    # E_p[ln(z/s_q)] = ln(s_p/s_q) + ψ(k_p)/p_p
    mean_log = k.digamma() / power
    return normalisers + (k * power - 1) * mean_log - k - (k_q * power_q - 1) * (mean_log + log_ratio) + log_mean.exp()
