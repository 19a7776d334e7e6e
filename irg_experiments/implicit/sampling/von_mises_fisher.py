"""The angle between a von Mises–Fisher sample and its mean direction."""

import torch
from torch import Generator, Tensor

from irg_experiments.implicit.sampling._rejection import REJECTED, Sampler, redraw
from irg_experiments.implicit.sampling.gamma import standard_gamma


def polar_angle(concentration: Tensor, dimension: int, generator: Generator | None = None) -> Tensor:
    """Draw θ ∈ [0, π] from the density ~ e^{κ cos θ} sin^{d−2} θ.

    Wood (1994) proposes cos θ = (1 − (1 + b) Z)/(1 − (1 − b) Z) with Z ~ Beta(m, m), m = (d − 1)/2, b = m/(κ + √(κ² + m²)).
    For Z = G/(G + G') with Gamma(m) variables this is tan²(θ/2) = b G/G'. With x = (1 − b)(G − G')/(2 (G' + b G)) a proposal
    is accepted with probability e^{2m (ln(1+x) − x)}; at least two of three are. Nothing cancels, from κ = 0, where all are
    accepted, to κ → ∞.

    Args:
        concentration: κ ≥ 0; one independent draw per element.
        dimension: d ≥ 2, of the space around the sphere.
        generator: source of randomness; the global one of the device when None.

    Returns:
        θ in radians, of the shape and dtype of ``concentration``; NaN where the concentration is. float16 and bfloat16
        are drawn in float32.
    """
    return _polar_angle(concentration, generator, dimension)


def _wood(concentration: Tensor, generator: Generator | None, dimension: int) -> Tensor:
    """θ, or REJECTED; NaN is accepted, so that the loop of redraws ends."""
    half = (dimension - 1) / 2
    b = half / (concentration + torch.hypot(concentration, torch.full_like(concentration, half)))
    shape = torch.full_like(b, half)
    far, near = standard_gamma(shape, generator), standard_gamma(shape, generator)
    x = 0.5 * (1 - b) * (far - near) / (near + b * far)
    log_uniform = torch.empty_like(b).uniform_(generator=generator).neg_().log1p_()
    angle = 2 * torch.atan2((b * far).sqrt(), near.sqrt())
    return angle.masked_fill_(log_uniform > 2 * half * (x.log1p() - x), REJECTED)


def _repair(draws: Tensor, concentration: Tensor, generator: Generator | None, dimension: int) -> Tensor:
    return redraw(draws, concentration, lambda waiting: _wood(waiting, generator, dimension))


_polar_angle = Sampler("von_mises_fisher_angle", _wood, _repair)
