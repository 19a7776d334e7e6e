"""Gamma variables and their logarithms."""

import math

import torch
from torch import Generator, Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.private_torch import standard_gamma as torch_standard_gamma
from irg_experiments.implicit.sampling._rejection import REJECTED, Sampler

# for fewer elements torch's own sampler takes less time than a call of the vectorized one
_FEW = 512
# the setting of the sampler that returns logarithms
_LOG = 1


def standard_gamma(concentration: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw z ~ Gamma(concentration, 1), by the method of Marsaglia & Tsang (2000).

    Args:
        concentration: shape parameter a > 0; one independent draw per element.
        generator: source of randomness; the global one of the device when None.

    Returns:
        z, of the shape and dtype of ``concentration``; 0 where it underflows, NaN where the concentration is.

    Accuracy: exact up to rounding, with at least 24 random bits per draw in float32. float16 and bfloat16 are drawn in float32.
    """
    return _gamma(concentration, generator)


def standard_log_gamma(concentration: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw ln z for z ~ Gamma(concentration, 1); finite for every a > 0.

    At a = 1e-3 typical values of z are near e^−1000 and underflow in every dtype, while ln z is representable. Arguments and
    accuracy are those of ``standard_gamma``; the same state of the generator gives the same draws.
    """
    return _gamma(concentration, generator, _LOG)


def _marsaglia_tsang(concentration: Tensor, generator: Generator | None, log: int) -> Tensor:
    """One proposal per element."""
    if _is_for_torch(concentration):
        # torch's draw is finite for a NaN
        return _torch_gamma(concentration, generator, log).masked_fill_(concentration.isnan(), math.nan)
    noise = _normal(concentration, generator), torch.empty_like(concentration).uniform_(generator=generator)
    return evaluate(_log_gamma_proposal if log else _gamma_proposal, (concentration, *noise))


def _repair(draws: Tensor, concentration: Tensor, generator: Generator | None, log: int) -> Tensor:
    """Draw rejected elements, 5% at shape 1 and fewer at larger shapes, by torch's sampler: independent, of the same law."""
    if _is_for_torch(concentration):
        return draws
    rejected = (draws == REJECTED).nonzero().squeeze(-1)
    if len(rejected):
        draws[rejected] = _torch_gamma(concentration[rejected], generator, log)
    return draws


def _is_for_torch(concentration: Tensor) -> bool:
    """Whether to use torch's own sampler for all elements: on other devices it is a vectorized kernel."""
    return concentration.device.type != "cpu" or len(concentration) < _FEW


def _torch_gamma(concentration: Tensor, generator: Generator | None, log: int) -> Tensor:
    """Gamma(a) = Gamma(a + 1) · e^(−E/a) with E ~ Exponential(1); torch's sampler is exact for shapes above one."""
    draw = torch_standard_gamma(concentration + 1, generator)
    power = torch.empty_like(draw).exponential_(generator=generator).div_(concentration)
    return draw.log_().sub_(power) if log else draw.mul_(power.neg_().exp_())


def _log_gamma_proposal(concentration: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
    d, _, log1p_t, log_power, rejected = _gamma_proposal_parts(concentration, normal, uniform)
    return torch.where(rejected, REJECTED, d.log() + 3 * log1p_t + log_power)


def _gamma_proposal(concentration: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
    d, t, _, log_power, rejected = _gamma_proposal_parts(concentration, normal, uniform)
    root = 1 + t
    return torch.where(rejected, REJECTED, d * (root * root * root) * log_power.exp())


def _gamma_proposal_parts(concentration: Tensor, normal: Tensor, uniform: Tensor) -> tuple[Tensor, ...]:
    """Accept g = d (1 + t)³ with probability e^(3d (ln(1+t) − t + t²/2 − t³/3)); t = x/(3√d), x normal, d = a − 1/3.

    If the uniform variable is below that probability, their ratio is again uniform and independent of g: it turns
    g ~ Gamma(a + 1) into Gamma(a) for a < 1. The conditions are written so that NaN is not rejected and stays.
    """
    small = concentration < 1
    d = torch.where(small, concentration + 1, concentration) - 1 / 3
    t = normal * (9 * d).rsqrt()
    log1p_t = t.log1p()
    log_chance = 3 * d * (((0.5 - t * (1 / 3)) * t - 1) * t + log1p_t)
    log_uniform = (-uniform).log1p() - log_chance
    log_power = torch.where(small, log_uniform / concentration, 0.0)
    return d, t, log1p_t, log_power, (log_uniform > 0) | (t <= -1)


def _normal(like: Tensor, generator: Generator | None) -> Tensor:
    """Normal(0, 1) draws. In float64 torch draws one element at a time; the transform of Box & Muller (1958) is faster."""
    if like.dtype != torch.float64:
        return torch.empty_like(like).normal_(generator=generator)
    half = like[: (len(like) + 1) // 2]
    radius = torch.empty_like(half).uniform_(generator=generator).neg_().log1p_().mul_(-2).sqrt_()
    angle = torch.empty_like(half).uniform_(-math.pi, math.pi, generator=generator)
    return torch.cat([radius * angle.cos(), radius.mul_(angle.sin_())])[: len(like)]


_gamma = Sampler("gamma", _marsaglia_tsang, _repair)
