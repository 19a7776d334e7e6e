"""The von Mises–Fisher distribution on the unit sphere in R^d: its normalizer, and the derivative of a sample by κ.

z on the sphere has the density C_d(κ) e^{κ w}, w = <loc, z> = cos θ. With ν = d/2 − 1 and the area of the sphere S_d,

    −ln C_d(κ) = ln S_d + B(κ),    B(κ) = ln(Γ(ν + 1) (2/κ)^ν I_ν(κ)),    B' = A = I_{ν+1}(κ)/I_ν(κ) = E[w].

r_N = I_{N+1}/I_N is computed by its large-order series at an N ≥ 18 (see ``_von_mises_fisher_coefficients.py``). Recurrences in
the order lead from N down to ν, with a = 2ν + 2 and the values at ν + 1 on the right:

    r_ν/κ = 1/(a + κ r),   1 − r_ν = (a − κ (1 − r)) r_ν/κ,   r_ν' = (r_ν/κ)² (a − κ² r'),   B_ν = B + ln(1 + κ r/a).

All are stable, and none subtracts nearly equal numbers, from κ = 0 to κ → ∞. Where a formula in A and B would cancel at large
κ, the corresponding one in 1 − A and κ − B is used.

The angle θ has the density ~ q(θ) = e^{κ cos θ} sin^{d−2} θ, an entire function. At a fixed distribution function

    dθ/dκ = −∫_θ^π (A − cos t) q(t)/q(θ) dt = −∫_0^θ (cos t − A) q(t)/q(θ) dt,

the first for cos θ < A and the second otherwise, so that both integrands are positive. Each is integrated by one
Gauss–Legendre rule (28 nodes for float64, 16 for float32 arguments) from θ to where the integrand falls below e^−40 (e^−20), or
to the end of the range, in the variable tan(|t − θ|/4), in which sines and cosines of t are rational.

Everything is computed in float64, also for float32 arguments. Relative errors in float64, for d from 2 to 100: A 2e-15, 1 − A
and its derivative 2e-13, ln C 5e-15 (absolute where it is below 1). Derivatives of samples: 1e-13 for float64 and 4e-7 for
float32 arguments, for κ from 1e-3 to 1e5 between the quantiles 1e-9 and 1 − 1e-9.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from irg_experiments.implicit._kernel_cache import Formula
from irg_experiments.implicit.special._arithmetic import horner, inside
from irg_experiments.implicit.special._elementwise import derivative_of, elementwise
from irg_experiments.implicit.special._von_mises_fisher_coefficients import bessel_series, legendre_rule

# per dtype of the arguments: nodes; −ln of the integrand at the end, relative to the start; margin on the length
_RULES = {torch.float64: (legendre_rule(28), 40.0, 1.3), torch.float32: (legendre_rule(16), 20.0, 1.4)}
# π rounded to the dtype: larger than π in float32, smaller in float64
_PI = {torch.float32: 3.1415927410125732, torch.float64: math.pi}
# lower bound of sin θ, to avoid divisions by zero
_LEAST_SINE = 1e-140


def checked_dimension(dimension: int) -> int:
    """The dimension as a plain int, as torch.compile may pass a symbol; raises ValueError if it is below 2."""
    if dimension < 2:
        raise ValueError(f"the dimension of the space around the sphere must be at least 2, not {dimension}")
    return len(range(dimension))  # int() would return the symbol


def log_sphere_area(dimension: int) -> float:
    """The natural logarithm of the area 2 π^{d/2} / Γ(d/2) of the unit sphere in R^d.

    Args:
        dimension: d ≥ 1, of the space around the sphere.
    """
    return math.log(2) + dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2)


def mean_resultant_length(concentration: Tensor, dimension: int) -> Tensor:
    """The length of the mean vector, A_d(κ) = I_{d/2}(κ)/I_{d/2−1}(κ), twice differentiable in κ.

    Args:
        concentration: κ ≥ 0, finite.
        dimension: d ≥ 2, of the space around the sphere.

    Returns:
        A value in [0, 1], about κ/d for small κ; NaN for κ < 0 and NaN. Relative error at most 2e-15 in float64.

    Raises:
        ValueError: ``dimension`` is below 2.
        NotImplementedError: the third derivative is requested.

    Source: DLMF 10.33.1 and 10.41; the module's docstring describes the computation.
    """
    return _of_concentration(_ratio, _ratio_grad, concentration, dimension)


def mean_resultant_complement(concentration: Tensor, dimension: int) -> Tensor:
    """1 − A_d(κ) without cancellation, about (d − 1)/(2κ) for large κ; relative error at most 2e-13 in float64.

    Arguments and exceptions are those of ``mean_resultant_length``.
    """
    return _of_concentration(_complement, _complement_grad, concentration, dimension)


def mean_resultant_slope(concentration: Tensor, dimension: int) -> Tensor:
    """The variance of <loc, z>, A_d'(κ) = 1 − A² − (d − 1) A/κ, without cancellation; differentiable once in κ.

    Arguments and exceptions are those of ``mean_resultant_length``; relative error at most 2e-13 in float64.
    """
    return _of_concentration(_slope, _slope_grad, concentration, dimension)


def von_mises_fisher_log_normalizer(concentration: Tensor, dimension: int) -> Tensor:
    """The log-normalizer ln C_d(κ) of the density C_d(κ) e^{κ <loc, z>}; −``log_sphere_area`` at κ = 0.

    Args:
        concentration: κ ≥ 0, finite.
        dimension: d ≥ 2, of the space around the sphere.

    Returns:
        The value in nats; NaN for κ < 0 and NaN. The derivative is −``mean_resultant_length``. Relative error at most 5e-15 in
        float64, and absolute error where the value is below 1.

    Raises:
        ValueError: ``dimension`` is below 2.
    """
    return _of_concentration(_log_normalizer, _log_normalizer_grad, concentration, dimension)


def von_mises_fisher_log_peak(concentration: Tensor, dimension: int) -> Tensor:
    """The log-density at the mode, κ + ln C_d(κ), without cancellation.

    Arguments, units and exceptions are those of ``von_mises_fisher_log_normalizer``.
    """
    return _of_concentration(_log_peak, _log_peak_grad, concentration, dimension)


def von_mises_fisher_negentropy(concentration: Tensor, dimension: int) -> Tensor:
    """The Kullback–Leibler divergence in nats from the uniform distribution on the sphere, κ A_d(κ) + ln C_d(κ) − ln C_d(0).

    It is computed without cancellation and is about κ²/(2d) for small κ. Arguments and exceptions are those of
    ``mean_resultant_length``; the derivative is κ A_d'(κ).
    """
    return _of_concentration(_negentropy, _negentropy_grad, concentration, dimension)


def von_mises_fisher_angle_grad(concentration: Tensor | float, angle: Tensor | float, dimension: int) -> Tensor:
    """The derivative dθ/dκ of the angle θ = arccos <loc, z> of a sample z at a fixed distribution function of θ.

    dθ/dκ = −∫_0^θ (cos t − A_d(κ)) q(t)/q(θ) dt, with the density q(θ) ~ e^{κ cos θ} sin^{d−2} θ.

    Args:
        concentration: κ ≥ 0, finite.
        angle: θ in radians, within [0, π]; broadcast with ``concentration``.
        dimension: d ≥ 2, of the space around the sphere.

    Returns:
        The derivative, zero or negative; 0 at both ends; NaN outside the domain. Relative error at most 4e-7 in float32 and
        1e-13 in float64, for κ from 1e-3 to 1e5 between the quantiles 1e-9 and 1 − 1e-9. That of its derivatives in κ and θ,
        between the quantiles 1e-6 and 1 − 1e-6, is at most 1e-11 in float64 and 3e-5 in float32.

    Raises:
        ValueError: ``dimension`` is below 2.
        NotImplementedError: the second derivative of the result is requested.

    Source: Figurnov, Mohamed & Mnih (2018), univariate case; the module's docstring describes the computation.
    """
    return _sample_derivative(_angle_grad, _smooth_angle_grad, concentration, angle, dimension)


def von_mises_fisher_sample_grad(concentration: Tensor | float, w: Tensor | float, dimension: int) -> Tensor:
    """The derivative dw/dκ of w = <loc, z> of a sample z at a fixed distribution function of w.

    The density of w is proportional to e^{κw} (1 − w²)^{(d−3)/2}; dw/dκ = −sin θ dθ/dκ for w = cos θ.

    Args:
        concentration: κ ≥ 0, finite.
        w: within [−1, 1]; broadcast with ``concentration``. For large κ, w has few digits of 1 − w, and
            ``von_mises_fisher_angle_grad`` is more accurate.
        dimension: d ≥ 2, of the space around the sphere.

    Returns:
        The derivative, zero or positive; 0 at w = ±1; NaN outside the domain. The relative error is that of
        ``von_mises_fisher_angle_grad``.

    Raises:
        ValueError: ``dimension`` is below 2.
        NotImplementedError: the second derivative of the result is requested.
    """
    return _sample_derivative(_sample_grad, _smooth_sample_grad, concentration, w, dimension)


@dataclass(frozen=True)
class _InDimension:
    """A formula bound to a dimension. Instances with equal fields are equal, so their machine code is shared."""

    formula: Formula
    dimension: int

    def __call__(self, *arguments: Tensor) -> Tensor:
        return self.formula(self.dimension, *arguments)

    def __repr__(self) -> str:
        return self.__name__

    @property
    def __name__(self) -> str:
        return f"{self.formula.__qualname__}_{self.dimension}".strip("_")


def _sample_derivative(
    formula: Formula, smooth: Formula, concentration: Tensor | float, at: Tensor | float, dimension: int
) -> Tensor:
    dimension = checked_dimension(dimension)
    slopes = [derivative_of(_InDimension(smooth, dimension), index, _WHAT) for index in range(2)]
    return elementwise(_InDimension(formula, dimension), slopes, concentration, at)


_WHAT = "the second derivative of a von Mises–Fisher sample"


def _of_concentration(formula: Formula, derivative: Formula, concentration: Tensor, dimension: int) -> Tensor:
    dimension = checked_dimension(dimension)
    return elementwise(_InDimension(formula, dimension), (_InDimension(derivative, dimension),), concentration)


def _in_double(formula: Formula) -> Formula:
    """Decorator: compute a formula of d and κ in float64, and return NaN outside the domain."""

    @functools.wraps(formula)
    def wrapped(dimension: int, concentration: Tensor) -> Tensor:
        value = formula(dimension, concentration.double())
        return torch.where(concentration >= 0, value, math.nan).to(concentration.dtype)

    return wrapped


class _Chain:
    """The series at the order N, and the recurrence from N down to d/2 − 1."""

    def __init__(self, dimension: int, concentration: Tensor):
        self.series = bessel_series(dimension)
        self.k = concentration
        self.z = concentration / self.series.order
        self.root = torch.hypot(self.z, torch.ones_like(self.z))  # s
        self.p = 1 / self.root
        self.zp = self.z * self.p
        self.correction = horner(self.series.ratio, self.p)
        self.pairs: list[tuple[float, Tensor]] = []  # for each step down, 2ν + 2 and r_{ν+1}
        self.ratio = self.z * (self.p / (1 + self.p) - self.p.square() * self.correction)
        for a in self.series.steps:
            self.pairs.append((a, self.ratio))
            self.ratio = concentration / (a + concentration * self.ratio)

    def complement(self) -> Tensor:
        """1 − r."""
        complement = (1 + 1 / (self.root + self.z)) / (1 + self.root) + self.zp * self.p * self.correction
        for a, ratio in self.pairs:
            complement = (a - self.k * complement) / (a + self.k * ratio)
        return complement

    def slopes(self) -> list[Tensor]:
        """r' at each order, from N down to d/2 − 1."""
        grown = 1 + self.p
        start = self.p.square() / (self.series.order * grown) * (1 + grown * horner(self.series.slope, self.p))
        slopes = [start]
        for a, ratio in self.pairs:
            slopes.append((a - self.k * self.k * slopes[-1]) / (a + self.k * ratio).square())
        return slopes

    def curvature(self) -> Tensor:
        """r''. For large κ ``bracket`` is small, although its terms are not."""
        grown = 1 + self.p
        bracket = 1 + grown - grown * horner(self.series.curvature, self.p)
        curvature = -self.zp * self.p * (self.p / (self.series.order * grown)).square() * bracket
        for (a, ratio), slope in zip(self.pairs, self.slopes(), strict=False):
            inverse = 1 / (a + self.k * ratio)
            first = 2 * inverse * (ratio + self.k * slope) * (a - self.k * self.k * slope)
            curvature = -inverse.square() * (first + self.k * (2 * slope + self.k * curvature))
        return curvature

    def integrals(self) -> tuple[Tensor, Tensor]:
        """B and κ − B."""
        order = self.series.order
        grown = self.zp * self.z / (1 + self.p)  # s − 1
        rest = self.zp.square() / (1 + self.p) * horner(self.series.integral, self.p) - 0.5 * grown.log1p()
        for a, ratio in self.pairs:
            rest = rest + (self.k * ratio / a).log1p()
        middle = (0.5 * grown).log1p()
        return order * (grown - middle) + rest, order * (1 - 1 / (self.root + self.z) + middle) - rest


@_in_double
def _ratio(dimension: int, k: Tensor) -> Tensor:
    return _Chain(dimension, k).ratio


@_in_double
def _complement(dimension: int, k: Tensor) -> Tensor:
    return _Chain(dimension, k).complement()


@_in_double
def _slope(dimension: int, k: Tensor) -> Tensor:
    return _Chain(dimension, k).slopes()[-1]


@_in_double
def _curvature(dimension: int, k: Tensor) -> Tensor:
    return _Chain(dimension, k).curvature()


@_in_double
def _log_normalizer(dimension: int, k: Tensor) -> Tensor:
    return -log_sphere_area(dimension) - _Chain(dimension, k).integrals()[0]


@_in_double
def _log_peak(dimension: int, k: Tensor) -> Tensor:
    return _Chain(dimension, k).integrals()[1] - log_sphere_area(dimension)


@_in_double
def _negentropy(dimension: int, k: Tensor) -> Tensor:
    """κA − B for small κ and (κ − B) − κ(1 − A) for large κ, where each cancels less."""
    chain = _Chain(dimension, k)
    integral, complement = chain.integrals()
    return torch.where(k < 4, k * chain.ratio - integral, complement - k * chain.complement())


def _ratio_grad(dimension: int, k: Tensor) -> Tensor:
    return mean_resultant_slope(k, dimension)


def _complement_grad(dimension: int, k: Tensor) -> Tensor:
    return -mean_resultant_slope(k, dimension)


def _slope_grad(dimension: int, k: Tensor) -> Tensor:
    return _of_concentration(_curvature, _curvature_grad, k, dimension)


def _curvature_grad(dimension: int, k: Tensor) -> Tensor:
    raise NotImplementedError("the second derivative of the mean resultant length cannot be differentiated")


def _log_normalizer_grad(dimension: int, k: Tensor) -> Tensor:
    return -mean_resultant_length(k, dimension)


def _log_peak_grad(dimension: int, k: Tensor) -> Tensor:
    return mean_resultant_complement(k, dimension)


def _negentropy_grad(dimension: int, k: Tensor) -> Tensor:
    return k * mean_resultant_slope(k, dimension)


def _angle_grad(dimension: int, concentration: Tensor, angle: Tensor) -> Tensor:
    theta = angle.double().clamp(max=math.pi)
    # π − θ, including the digits of π beyond float64
    rest = (math.pi - theta) + 1.2246467991473532e-16
    grad = _integrated(dimension, concentration, theta, rest, theta.sin(), theta.cos())
    grad = torch.where(rest < 1e-15, 0.0, grad)
    inside = (concentration >= 0) & (angle >= 0) & (angle <= _PI[angle.dtype])
    return torch.where(inside, grad, math.nan).to(angle.dtype)


def _sample_grad(dimension: int, concentration: Tensor, w: Tensor) -> Tensor:
    cos = w.double().clamp(-1.0, 1.0)
    near, far = (1 - cos).sqrt(), (1 + cos).sqrt()
    sin = near * far
    grad = -sin * _integrated(dimension, concentration, 2 * torch.atan2(near, far), 2 * torch.atan2(far, near), sin, cos)
    return torch.where((concentration >= 0) & (w.abs() <= 1), grad, math.nan).to(w.dtype)


def _smooth_angle_grad(dimension: int, concentration: Tensor, angle: Tensor) -> Tensor:
    """The same with finite derivatives at both ends, near which it is proportional to the distance."""
    moved = inside(angle.double(), 1e-12, math.pi - 1e-12, (0.0, _PI[angle.dtype]))
    return _angle_grad(dimension, concentration, moved).to(angle.dtype)


def _smooth_sample_grad(dimension: int, concentration: Tensor, w: Tensor) -> Tensor:
    moved = inside(w.double(), -1 + 1e-15, 1 - 1e-15, (-1.0, 1.0))
    return _sample_grad(dimension, concentration, moved).to(w.dtype)


def _integrated(dimension: int, concentration: Tensor, theta: Tensor, rest: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """dθ/dκ, from θ, π − θ, sin θ and cos θ in float64; the dtype of ``concentration`` determines the accuracy."""
    nodes, fall, margin = _RULES[concentration.dtype]
    k = concentration.double()
    sin = sin.clamp(min=_LEAST_SINE)
    cotangent = cos / sin
    excess = 2 * (0.5 * theta).sin().square() - _complement(dimension, k)  # A − cos θ
    sign = torch.where(excess > 0, 1.0, -1.0).to(k)  # of t − θ

    # ln q falls approximately by slope x + curvature x²/2 over the distance x
    slope = (sign * (k * sin - (dimension - 2) * cotangent)).clamp(min=0.0)
    curvature = (k * cos + (dimension - 2) / sin.square()).clamp(min=0.0)
    reach = margin * 2 * fall / (slope + (slope.square() + 2 * fall * curvature).sqrt())
    # the integral depends on the end of the range, but not on the reach
    end = (0.25 * torch.minimum(reach.detach(), torch.where(excess > 0, rest, theta))).tan()

    def integrand(tangent: Tensor, *arguments: Tensor) -> Tensor:
        """The integrand as a function of tan(|t − θ|/4)."""
        k, sin, cos, cotangent, excess, sign = arguments
        inverse = 1 / (1 + tangent.square())
        half_sin, half_cos = 2 * tangent * inverse, 2 * inverse - 1  # of |t − θ|/2
        drop = 2 * half_sin * (cos * half_sin + sign * sin * half_cos)  # cos θ − cos t
        growth = 2 * half_sin * (sign * cotangent * half_cos - half_sin)  # sin t / sin θ − 1
        exponent = (dimension - 2) * growth.clamp(min=-1 + 1e-15).log1p() - k * drop
        return inverse * (excess + drop) * exponent.exp()

    arguments = (k, sin, cos, cotangent, excess, sign)
    if torch.compiler.is_compiling():
        points, weights = torch.tensor(nodes, dtype=k.dtype, device=k.device).unbind(-1)
        values = integrand(end.unsqueeze(-1) * points, *(x.unsqueeze(-1) for x in arguments))
        total = (weights * values).sum(-1)
    else:
        total = torch.zeros_like(k)
        for node, weight in nodes:
            total += weight * integrand(end * node, *arguments)
    return -4 * end * sign * total
