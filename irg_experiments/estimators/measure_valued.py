"""Measure-valued gradients (weak derivatives): ∂q/∂φ is a constant times the difference of two densities.

    ∂q_φ/∂φ = c (p⁺ − p⁻),    ∂E[f]/∂φ = c (E_{p⁺}[f] − E_{p⁻}[f]),

for each parameter, with p⁺ and p⁻ sampled from the same noise:

    Normal loc             c = 1/(σ√(2π))             μ ± σ r, r Rayleigh, which is Weibull(2, √2)
    Normal scale           c = 1/σ                    μ + σ m, m double-sided Maxwell, and μ + σ m u, u uniform, which is normal
    Gamma rate             c = a/β                    Gamma(a, β) and Gamma(a + 1, β)
    Gamma concentration    c = W(ψ(a))                the two sides of log g = ψ(a), W = −∂P(a, g)/∂a
    von Mises loc          c = q(0) − q(π)            loc ± t, sin²(t/2) = −ln(1 − u (1 − e^−2κ)) / (2κ)
    von Mises κ            c = 2 W(arccos A(κ))       the two sides of |z| = arccos A(κ), A = I₁/I₀, W = |∂F/∂κ|

The decompositions in the concentration of Gamma and of von Mises are the positive and the negative part of
∂q/∂φ = q ∂ln q/∂φ (the Hahn–Jordan decomposition). Their integral is W, the implicit gradient times the density, which
decreases from its peak on both sides. The points on either side at which W equals a uniform fraction of the peak, found by
bisection, are samples of the two parts.
"""

import math
from collections.abc import Callable

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.estimators.base import Estimator
from irg_experiments.estimators.dispatch import FamilyDispatch
from irg_experiments.estimators.surrogate import weight
from irg_experiments.implicit.distributions.von_mises import wrapped
from irg_experiments.implicit.sampling import standard_gamma
from irg_experiments.implicit.special.gamma import log_gamma_sample_grad
from irg_experiments.implicit.special.log_gamma import log_gamma_density
from irg_experiments.implicit.special.von_mises import circular_variance, von_mises_sample_grad

# the constant, and samples of the positive and of the negative part
Triple = tuple[Tensor, Tensor, Tensor]
# by the name of the parameter
Decompositions = dict[str, Callable[[Tensor, Tensor], Triple]]
_BISECTIONS = 50


class MeasureValued(Estimator):
    """Normal, Gamma and von Mises, in all their parameters, by weak derivatives; f need not be differentiable.

    Each parameter that requires a gradient takes two more evaluations of f, at samples of the same shape. An element of f's
    values must depend on the same element of the sample alone, so ``td.Independent`` raises NotImplementedError.

    Source: Mohamed, Rosca, Figurnov & Mnih (2020), Table 1; Heidergott & Vázquez-Abad (2008).
    """

    label = "measure-valued"
    families = (td.Normal, td.Gamma, td.VonMises)
    elementwise = True
    traceable = False  # the bisections are a hundred copies of a special function in one graph, which takes many minutes

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``Estimator``."""
        decompositions = _decompositions(q)
        estimate = f(q.sample((num_samples,))).mean(0)
        parameters = [getattr(q, name) for name in decompositions]
        repeated = [parameter.detach().expand(num_samples, *parameter.shape) for parameter in parameters]
        for parameter, decompose in zip(parameters, decompositions.values(), strict=True):
            if parameter.requires_grad and torch.is_grad_enabled():
                with torch.no_grad():
                    constant, positive, negative = decompose(*repeated)
                    slope = (constant * (f(positive) - f(negative))).mean(0)
                estimate = estimate + weight(slope, parameter)
        return estimate


def _normal_loc(loc: Tensor, scale: Tensor) -> Triple:
    step = scale * (2 * torch.empty_like(scale).exponential_()).sqrt()
    return 1 / (math.sqrt(2 * math.pi) * scale), loc + step, loc - step


def _normal_scale(loc: Tensor, scale: Tensor) -> Triple:
    # given the length of a normal vector in three dimensions, its first component is uniform between minus and plus the length
    vector = torch.randn((3, *scale.shape), dtype=scale.dtype, device=scale.device)
    maxwell = torch.copysign(vector.square().sum(0).sqrt(), vector[0])
    return 1 / scale, loc + scale * maxwell, loc + scale * vector[0]


def _gamma_rate(concentration: Tensor, rate: Tensor) -> Triple:
    draw = standard_gamma(concentration)
    return concentration / rate, _positive(draw / rate), (draw + torch.empty_like(draw).exponential_()) / rate


def _gamma_concentration(concentration: Tensor, rate: Tensor) -> Triple:
    a, peak = concentration, torch.digamma(concentration)
    target = torch.rand_like(a) * _gamma_integral(a, peak)
    upper = _solve(lambda y: _gamma_integral(a, y), target, peak, (a + 12 * a.sqrt() + 60).log())
    lower = _solve(lambda y: _gamma_integral(a, y), target, peak, peak - 45 / a.clamp(max=1.0))
    return _gamma_integral(a, peak), upper.exp() / rate, _positive(lower.exp() / rate)


def _gamma_integral(a: Tensor, log_g: Tensor) -> Tensor:
    """W = −∂P(a, g)/∂a."""
    return log_gamma_density(a, log_g) * log_gamma_sample_grad(a, log_g)


def _von_mises_loc(loc: Tensor, concentration: Tensor) -> Triple:
    fraction = -torch.expm1(-2 * concentration)
    square = -torch.log1p(-torch.rand_like(loc) * fraction) / (2 * concentration)
    angle = 2 * square.clamp(max=1.0).sqrt().asin()
    constant = fraction / (2 * math.pi * torch.special.i0e(concentration))
    return constant, wrapped(loc + angle), wrapped(loc - angle)


def _von_mises_concentration(loc: Tensor, concentration: Tensor) -> Triple:
    peak = 2 * (0.5 * circular_variance(concentration)).sqrt().asin()  # arccos A
    highest = _von_mises_integral(concentration, peak)
    target = torch.rand_like(loc) * highest
    sign = torch.randint_like(loc, 2) * 2 - 1
    inner, outer = (
        _solve(lambda y: _von_mises_integral(concentration, y), target, peak, torch.full_like(peak, end))
        for end in (0.0, math.pi)
    )
    return 2 * highest, wrapped(loc + sign * inner), wrapped(loc + sign * outer)


def _von_mises_integral(concentration: Tensor, angle: Tensor) -> Tensor:
    """W = |∂F/∂κ| at an angle between 0 and π."""
    density = (-2 * concentration * (0.5 * angle).sin().square()).exp() / (2 * math.pi * torch.special.i0e(concentration))
    return -density * von_mises_sample_grad(concentration, angle)


def _solve(function: Callable[[Tensor], Tensor], target: Tensor, peak: Tensor, end: Tensor) -> Tensor:
    """The point between ``peak`` and ``end`` at which ``function`` equals ``target``; it decreases from ``peak`` to ``end``."""
    for _ in range(_BISECTIONS):
        middle = 0.5 * (peak + end)
        above = function(middle) > target
        peak, end = torch.where(above, middle, peak), torch.where(above, end, middle)
    return 0.5 * (peak + end)


def _positive(value: Tensor) -> Tensor:
    return value.clamp(min=torch.finfo(value.dtype).tiny)


@FamilyDispatch
def _decompositions(q: td.Distribution) -> Decompositions:
    """One function per parameter; each takes all parameters, in the order of the dictionary."""
    raise NotImplementedError(f"MeasureValued has no decomposition for {type(q).__name__}")


@_decompositions.register
def _(q: td.Normal) -> Decompositions:
    return {"loc": _normal_loc, "scale": _normal_scale}


@_decompositions.register
def _(q: td.Gamma) -> Decompositions:
    return {"concentration": _gamma_concentration, "rate": _gamma_rate}


@_decompositions.register
def _(q: td.VonMises) -> Decompositions:
    return {"loc": _von_mises_loc, "concentration": _von_mises_concentration}
