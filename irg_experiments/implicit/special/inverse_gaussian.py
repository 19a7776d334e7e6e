"""The distribution function of the inverse Gaussian with mean 1, and the derivative of a sample by its concentration.

For Y ~ IG(1, c), of density √(c/(2π y³)) e^(−c (y−1)²/(2y)), let s = √(c/y) (y − 1), b = √(c/y) (y + 1) and let
M(t) = Φ(−t)/φ(t) = √(π/2) erfcx(t/√2) be the ratio of Mills. As b² − s² = 4c, the term e^{2c} Φ(−b) of the distribution
function (Shuster 1968) is φ(s) M(b), which does not overflow:

    F = Φ(s) + φ(s) M(b),    1 − F = Φ(−s) − φ(s) M(b).

The second is φ(s) ∫_s^b (1 − t M(t)) dt, whose integrand is positive; it is integrated so where s and b are close and
their ratios of Mills would cancel. At a fixed value of F

    dy/dc = (y/c) ((1 − y)/(1 + y) + 2y/(1 + y) · (1 − b M(b))).

For b ≥ 12, 1 − b M(b) is the series 1/b² − 3/b⁴ + 15/b⁶ − …, so that nothing cancels as c grows. All of this is computed in
float64, also for float32 arguments.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner
from irg_experiments.implicit.special._elementwise import elementwise
from irg_experiments.implicit.special._von_mises_fisher_coefficients import legendre_rule
from irg_experiments.implicit.special.normal import MILLS_SERIES

_ROOT_HALF = math.sqrt(0.5)
# the ratio of Mills by its asymptotic series from here on
_FAR = 12.0
# the derivative of 1 − t M(t) = Σ a_n t^(−2n−2) is Σ −(2n + 2) a_n t^(−2n−3)
_SLOPE_SERIES = tuple(-(2 * n + 2) * a for n, a in enumerate(MILLS_SERIES))
# b − s below which 1 − F is integrated, −s above which F is the smaller tail or near it, and the nodes that suffice
_CLOSE, _RULE = 0.5, legendre_rule(7)


def inverse_gaussian_sample_grad(concentration: Tensor | float, y: Tensor | float) -> Tensor:
    """The derivative dy/dc of a sample y of the inverse Gaussian distribution of mean 1 at a fixed distribution function.

    dy/dc = −(∂F/∂c) / p(y), with the density p.

    Args:
        concentration: c > 0, the squared mean over the variance.
        y: the sample, y > 0; broadcast with ``concentration``.

    Returns:
        The derivative, positive for small and negative for large y, differentiable in both arguments, twice with a relative
        error of 1e-9 in float64; at most the largest float of the dtype, NaN outside the domain. Relative error at most 5e-15
        in float64 and 7e-8 in float32 for c between 1e-4 and 1e6 and tail probabilities down to 1e-12.

    Source: Figurnov, Mohamed & Mnih (2018), univariate case; the module's docstring describes the computation.
    """
    return elementwise(_inverse_gaussian_sample_grad, (_sample_grad_by_concentration, _sample_grad_by_y), concentration, y)


def inverse_gaussian_cdf(concentration: Tensor | float, y: Tensor | float) -> Tensor:
    """The distribution function of the inverse Gaussian distribution of mean 1; differentiable in both arguments.

    Args:
        concentration: c > 0, the squared mean over the variance.
        y: argument ≥ 0; broadcast with ``concentration``.

    Returns:
        Values in [0, 1]; NaN outside the domain. Relative error at most 5e-14 in float64 and 7e-8 in float32, for c from 1e-4
        to 1e6 and tails from 1e-12.

    Source: Shuster (1968), On the inverse Gaussian distribution function.
    """
    return elementwise(_inverse_gaussian_cdf, (_cdf_by_concentration, _density), concentration, y)


def inverse_gaussian_sf(concentration: Tensor | float, y: Tensor | float) -> Tensor:
    """1 − ``inverse_gaussian_cdf``, with its relative accuracy."""
    return elementwise(_inverse_gaussian_sf, (_sf_by_concentration, _minus_density), concentration, y)


def exp1e(x: Tensor) -> Tensor:
    """e^x E₁(x), with the exponential integral E₁(x) = ∫_x^∞ e^(−t)/t dt; differentiable.

    Args:
        x: x > 0.

    Returns:
        The value; infinite at 0, NaN for x < 0. Relative error at most 1e-14 in float64 and 1e-7 in float32.

    Source: DLMF 6.6.2 below x = 2, and the continued fraction DLMF 6.9.1 above.
    """
    return elementwise(_exp1e, (_exp1e_slope,), x)


def _mills(t: Tensor) -> Tensor:
    """M(t)."""
    return math.sqrt(0.5 * math.pi) * torch.special.erfcx(_ROOT_HALF * t)


def _mills_complement(t: Tensor) -> Tensor:
    """1 − t M(t) for t > −1."""
    far = t > _FAR
    inverse = torch.where(far, t, _FAR).pow(-2)
    near = torch.where(far, 0.0, t)
    return torch.where(far, inverse * horner(MILLS_SERIES, inverse), 1 - near * _mills(near))


def _mills_complement_slope(t: Tensor) -> Tensor:
    """d/dt (1 − t M(t)) = −M(t) + t (1 − t M(t)) for t ≥ 0."""
    far = t > _FAR
    large = torch.where(far, t, _FAR)
    inverse = large.pow(-2)
    near = torch.where(far, 0.0, t)
    mills = _mills(near)
    return torch.where(far, inverse / large * horner(_SLOPE_SERIES, inverse), near * (1 - near * mills) - mills)


def _standardized(c: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return s and b."""
    root = (c / y).sqrt()
    return root * (y - 1), root * (y + 1)


def _wide(*arguments: Tensor) -> tuple[Tensor, ...]:
    return tuple(argument.double() for argument in arguments)


def _inverse_gaussian_sample_grad(c: Tensor, y: Tensor) -> Tensor:
    dtype, (c, y) = c.dtype, _wide(c, y)
    _, b = _standardized(c, y)
    grad = y / c * ((1 - y) + 2 * y * _mills_complement(b)) / (1 + y)
    # finite, so that a draw that was clamped, whose gradient is 0, does not get NaN
    limit = torch.finfo(dtype).max
    grad = torch.where((c > 0) & (y > 0), grad, math.nan)
    return grad.clamp(-limit, limit).to(dtype)


def _sample_grad_by_concentration(c: Tensor, y: Tensor) -> Tensor:
    dtype, (c, y) = c.dtype, _wide(c, y)
    _, b = _standardized(c, y)
    return ((y / c * y / (1 + y) * b * _mills_complement_slope(b) - _inverse_gaussian_sample_grad(c, y)) / c).to(dtype)


def _sample_grad_by_y(c: Tensor, y: Tensor) -> Tensor:
    dtype, (c, y) = c.dtype, _wide(c, y)
    _, b = _standardized(c, y)
    inner = 2 * (_mills_complement(b) - 1) + (y - 1) * b * _mills_complement_slope(b)
    return (_inverse_gaussian_sample_grad(c, y) / y + y / c * inner / (1 + y).square()).to(dtype)


def _inverse_gaussian_cdf(c: Tensor, y: Tensor) -> Tensor:
    return _tails(c, y)[0]


def _inverse_gaussian_sf(c: Tensor, y: Tensor) -> Tensor:
    return _tails(c, y)[1]


def _tails(c: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return F and 1 − F, the smaller one computed and the other its complement."""
    dtype, (c, y) = c.dtype, _wide(c, y)
    inside = (y > 0) & (y < math.inf)
    s, b = _standardized(c, torch.where(inside, y, 1.0))
    below = s < -_CLOSE
    near, distance = torch.where(below, -s, s), 2 * (c / torch.where(inside, y, 1.0)).sqrt()
    peak = (-0.5 * s.square()).exp() / math.sqrt(2 * math.pi)
    lower = peak * (_mills(near) + _mills(b))
    close = ~below & (distance < _CLOSE)
    width = torch.where(close, distance, 0.0)
    area = sum(weight * _mills_complement(near + node * width) for node, weight in _RULE) * width
    upper = peak * torch.where(close, area, _mills(near) - _mills(b))
    cdf = torch.where(below, lower, 1 - upper)
    survival = torch.where(below, 1 - lower, upper)
    cdf = torch.where(inside, cdf, (y > 0).to(cdf))
    survival = torch.where(inside, survival, (y <= 0).to(cdf))
    valid = (c > 0) & (y >= 0)
    return torch.where(valid, cdf, math.nan).to(dtype), torch.where(valid, survival, math.nan).to(dtype)


def _density(c: Tensor, y: Tensor) -> Tensor:
    dtype, (c, y) = c.dtype, _wide(c, y)
    inside = (y > 0) & (y < math.inf)
    y = torch.where(inside, y, 1.0)
    s, _ = _standardized(c, y)
    log_density = 0.5 * (c / (2 * math.pi)).log() - 1.5 * y.log() - 0.5 * s.square()
    return torch.where(inside, log_density.exp(), 0.0).to(dtype)


def _minus_density(c: Tensor, y: Tensor) -> Tensor:
    return -_density(c, y)


def _cdf_by_concentration(c: Tensor, y: Tensor) -> Tensor:
    inside = (y > 0) & (y < math.inf)
    return -_density(c, y) * inverse_gaussian_sample_grad(c, torch.where(inside, y, 1.0))


def _sf_by_concentration(c: Tensor, y: Tensor) -> Tensor:
    return -_cdf_by_concentration(c, y)


# E₁(x) = −γ − ln x + Σ_{k ≥ 1} (−1)^(k+1) x^k/(k · k!)
_EXP1 = (0.0, *((-1.0) ** (k + 1) / (k * math.factorial(k)) for k in range(1, 28)))
_EULER, _EXP1_LEVELS = 0.5772156649015328606, 48


def _exp1e(x: Tensor) -> Tensor:
    dtype, (x,) = x.dtype, _wide(x)
    small = x < 2
    near = torch.where(small, x, 1.0)
    series = near.exp() * (horner(_EXP1, near) - near.log() - _EULER)
    far = torch.where(small, 2.0, x)
    return torch.where(small, series, 1 / (far + _exp1_rest(far))).to(dtype)


def _exp1_rest(x: Tensor) -> Tensor:
    """1/(e^x E₁(x)) − x by the continued fraction DLMF 6.9.1, for x ≥ 2."""
    fraction = torch.zeros_like(x)
    for k in range(_EXP1_LEVELS, 0, -1):
        fraction = k * k / (x + (2 * k + 1) - fraction)
    return 1 - fraction


def _exp1e_slope(x: Tensor) -> Tensor:
    """e^x E₁(x) − 1/x; in the form without cancellation for large x."""
    small = x < 2
    near, far = torch.where(small, x, 1.0), torch.where(small, 2.0, x)
    rest = _exp1_rest(far)
    return torch.where(small, exp1e(near) - 1 / near, -rest / (far * (far + rest)))
