"""The inverse of the von Mises distribution function.

For z ~ vM(0, κ), |z| is the solution of one of two equations, with u = π − |z| and the integral of a Gauss–Legendre rule over
the part of an interval where the integrand matters,

    centre, |p − 1/2| < 1/4:  |p − 1/2| = q(0) J,    J = ∫_0^|z| e^{−Φ(0, l)} dl,
    tails:  ln min(p, 1 − p) = ln q(z) + ln J,       J = ∫_0^u e^{−Φ(|z|, l)} dl,       d ln(q J)/d ln u = u/J,
    Φ(z, l) = κ (cos z − cos(z + l)) = 2κ sin(z + l/2) sin(l/2),    q(z) = e^{−2κ sin²(z/2)} / (2π I0(κ) e^{−κ}).

Nothing cancels, and neither the logarithm nor its slope underflows. Each step is Halley's, in |z| at the centre and in ln u in
the tails, where at small κ the probability is proportional to u. The start is normal in 2√κ sin(z/2) for large κ and uniform
for small κ. The number of operations is the same for every element; float32 arguments are computed in float64.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.special._beta_coefficients import LEGENDRE_NODES, LEGENDRE_WEIGHTS
from irg_experiments.implicit.special._inverse import halley, inverse, iterate, normal_quantile
from irg_experiments.implicit.special.von_mises import von_mises_sample_grad

_STEPS = 3
# the integrand is e^−36 at the end of the interval
_CUT = 36.0
# π − math.pi
_PI_REST = 1.2246467991473532e-16


def von_mises_icdf(p: Tensor | float, concentration: Tensor | float) -> Tensor:
    """The solution z of F(z) = p on [−π, π] for the distribution function F of vM(0, κ); differentiable in p and κ.

    F(z) = ∫_{−π}^z e^{κ cos t} dt / (2π I0(κ)). dz/dκ = −(∂F/∂κ)/q(z) is the derivative of a sample at a fixed distribution
    function, ``von_mises_sample_grad``, and dz/dp = 1/q(z) = 2π I0(κ) e^{−κ cos z} the reciprocal of the density.

    Args:
        p: probability, 0 ≤ p ≤ 1.
        concentration: κ ≥ 0; broadcast with ``p``.

    Returns:
        The angle in radians; ∓π, rounded to the dtype, at p = 0 and p = 1, where ``scipy.stats.vonmises.ppf`` gives ∓∞; 0 at
        p = 1/2; NaN outside the domain. Relative error at most 1e-14 in float64 and 1e-7 in float32 for the given float p, for
        κ up to 1e10 and p or 1 − p from 1e-300. An error of p itself is multiplied by p/(z density).

    Raises:
        NotImplementedError: the third derivative that involves κ is requested.

    Source: Hill (1977), ACM Algorithm 518, for the normal approximation at the start; Figurnov, Mohamed & Mnih (2018) for the
    derivatives. The module's docstring describes the computation.
    """
    return inverse(_von_mises_icdf, (_quantile_grad_p, _quantile_grad_concentration), p, concentration)


def _quantile_grad_p(p: Tensor, concentration: Tensor, z: Tensor) -> Tensor:
    """2π I0(κ) e^{−κ cos z}."""
    return 2 * math.pi * torch.special.i0e(concentration) * (2 * concentration * (0.5 * z).sin().square()).exp()


def _quantile_grad_concentration(p: Tensor, concentration: Tensor, z: Tensor) -> Tensor:
    return von_mises_sample_grad(concentration, z)


def _von_mises_icdf(p: Tensor, concentration: Tensor) -> Tensor:
    log_tail, rest, z = evaluate(_von_mises_icdf_start, (p, concentration)).unbind()
    z = iterate(_von_mises_icdf_step, _STEPS, (concentration.double(), log_tail, rest), z)
    z = torch.where((p == 0) | (p == 1), math.pi, torch.where(p == 0.5, 0.0, z.clamp(0.0, math.pi)))
    # to π as the dtype rounds it, where ``von_mises.py`` ends the circle
    z = torch.where(p < 0.5, -z, z).to(p.dtype)
    valid = (concentration >= 0) & (concentration < math.inf) & (p >= 0) & (p <= 1)
    return torch.where(valid, z, math.nan)


def _von_mises_icdf_start(p: Tensor, concentration: Tensor) -> Tensor:
    """ln min(p, 1 − p), |p − 1/2| and the approximate |z|, along a new first dimension."""
    p, k = p.double(), concentration.double()
    p = torch.where((p > 0) & (p < 1), p, 0.25)
    tail, rest = torch.minimum(p, 1 - p), (p - 0.5).abs()
    log_tail = tail.log()
    size = -normal_quantile(log_tail, (-tail).log1p())
    normal = 2 * (0.5 * size * k.clamp(min=1e-3).rsqrt()).clamp(max=0.99).asin()
    z = torch.where(k < 1, 2 * math.pi * rest, normal)
    # u ≤ tail/q(π)
    u = (log_tail + 2 * k + (2 * math.pi * torch.special.i0e(k)).log()).clamp(max=2.0).exp()
    return torch.stack((log_tail, rest, torch.maximum(z, math.pi - u)))


def _von_mises_icdf_step(concentration: Tensor, log_tail: Tensor, rest: Tensor, z: Tensor) -> Tensor:
    """One step of Halley's method for |z|."""
    k, centre = concentration, rest < 0.25
    u = ((math.pi - z) + _PI_REST).clamp(min=1e-17)
    first = torch.where(centre, 0.0, z)
    length = torch.where(centre, z, _tail_length(k, z, u))
    integral = torch.zeros_like(z)
    for node, weight in zip(LEGENDRE_NODES, LEGENDRE_WEIGHTS, strict=True):
        half = 0.5 * node * length
        integral = integral + weight * (-2 * k * (first + half).sin() * half.sin()).exp()
    integral = length * integral

    scale = 2 * math.pi * torch.special.i0e(k)
    exponent = 2 * k * (0.5 * z).sin().square()
    slope = -k * z.sin()  # of the log density
    inner = halley((rest * scale - integral) * exponent.exp(), slope)
    rate = u / integral
    newton = (log_tail + exponent + scale.log() - integral.log()) / rate
    outer = -u * torch.expm1(halley(newton, 1 - u * slope - rate))
    return z + torch.where(centre, inner, outer)


def _tail_length(k: Tensor, z: Tensor, u: Tensor) -> Tensor:
    """The solution l of Φ(z, l) = cut, or u if that is smaller: two terms of the power series of Φ, then Newton's method."""
    first = k * z.sin()
    second = (k * z.cos()).clamp(min=0.0)
    length = 2 * _CUT / (first + (first * first + 2 * _CUT * second).sqrt()).clamp(min=1e-300)
    length = torch.minimum(length, u)
    for _ in range(3):
        phi = 2 * k * (z + 0.5 * length).sin() * (0.5 * length).sin()
        rate = (k * (z + length).sin()).clamp(min=1e-3 * _CUT / u)
        length = torch.minimum((length + (_CUT - phi) / rate).clamp(min=0.0), u)
    return length
