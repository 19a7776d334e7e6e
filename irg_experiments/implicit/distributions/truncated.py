"""Truncation of any univariate distribution to an interval."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Distribution, constraints

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import in_float64, result_dtype, widened
from irg_experiments.implicit.distributions.quantile import at_ends, quantile, unvalidated
from irg_experiments.implicit.distributions.tails import between, check_univariate, log_tail, log_tails, probe, support_ends
from irg_experiments.implicit.sampling import standard_uniform
from irg_experiments.implicit.special.normal import limited_log_ndtr
from irg_experiments.implicit.special.truncated_normal import truncated_ndtri

# Quadrature nodes on each side, 1/16 apart; the outermost probabilities are 2e-34 and 1e-275.
_NODES = {torch.float32: 62, torch.float64: 96}


class _Ends(NamedTuple):
    """Logarithms of the smaller and larger tail probability T at the ends; T is the survival function if ``upper``, else F."""

    upper: Tensor
    small: Tensor
    big: Tensor


class Truncated(Reparameterizable):
    """``base`` restricted to [low, high]: density q(z) / (F(high) − F(low)) there, and 0 elsewhere.

    Args:
        base: a continuous distribution of scalars with ``cdf`` and ``log_prob``. Its parameters receive the gradient if its
            ``cdf`` is differentiable in them.
        low: lower end, a number or a tensor; −inf for none. A tensor receives a gradient.
        high: upper end > low, a number or a tensor; inf for none. Ends outside the support of ``base`` are moved to its ends.
        validate_args: whether to check arguments and values; replaces the setting of ``base``.

    Raises:
        TypeError: ``base`` is discrete or has no distribution function.
        ValueError: ``base`` has vector events; or, with ``validate_args``, low ≥ high or no mass between them in the dtype.

    ``rsample`` inverts T(z) = T(low) + u (T(high) − T(low)) in log space, u ~ Uniform(0, 1), where T is F, or the survival
    function if low is above the median. For a normal base that is ``special.truncated_ndtri``; others are inverted by bisection
    and Newton's method, with some 20 evaluations of the cdf (see ``quantile.py``). The gradient is that of the equation at
    fixed u. ``icdf`` inverts it at a given probability, and is differentiable in that too.

    Valid range: hundreds of standard deviations from the mean for a normal base or one with ``log_cdf`` and
    ``log_survival_function``; until the survival function underflows for one with ``survival_function`` only; up to
    1 − F = eps in the upper tail for other bases. A ``base`` on the circle must be cut to less than a full turn.

    Accuracy: the gradient has a relative error of about eps |ln T(z)| or an absolute error of a few eps times the derivative of
    a quantile of ``base``, whichever is larger. Moments and entropy are integrals over u by double-exponential quadrature. For
    normal bases their error is a few roundings of z: 1e-13 of the variance in float64 and 3e-5 in float32, multiplied by the
    distance of the nearer end from the mean in standard deviations if that exceeds 1. If ``base`` has no mean or variance, the
    truncated one is given for finite ends only. Second derivatives through samples, quantiles, moments and entropy of other
    bases need nested transformations of torch.func, such as jacrev(jacrev(f)), and ``validate_args=False`` below vmap;
    otherwise they raise NotImplementedError.

    Source: Figurnov, Mohamed & Mnih (2018) for the gradient; Takahasi & Mori (1974) for the quadrature.
    """

    arg_constraints = dict.fromkeys(("low", "high"), constraints.dependent(is_discrete=False, event_dim=0))

    def __init__(
        self,
        base: Distribution,
        low: Tensor | float = -math.inf,
        high: Tensor | float = math.inf,
        validate_args: bool | None = None,
    ):
        check_univariate(base)
        like = probe(base)
        ends = (torch.as_tensor(x, dtype=like.dtype, device=like.device) for x in (low, high))
        self.low, self.high, like = torch.broadcast_tensors(*ends, like)
        self.base = unvalidated(base.expand(like.shape))
        super().__init__(like.shape, validate_args=validate_args)
        if self._validate_args:
            self._check_interval()

    def _check_interval(self) -> None:
        if not (self.low < self.high).all():
            raise ValueError("low must be below high in every element")
        with torch.no_grad():
            if not (_log_mass(self._ends()) > -math.inf).all():
                raise ValueError(
                    f"{type(self.base).__name__} has no mass between low and high in {self.low.dtype}: widen the interval, "
                    "use float64, or a base with survival_function, or with log_cdf and log_survival_function"
                )

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        """The intersection of the interval and the support of ``base``."""
        return constraints.interval(*self._interval())

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        uniform = standard_uniform(shape, widened(self.low), generator)
        uniform = uniform.clamp(min=torch.finfo(uniform.dtype).eps / 4)
        return self._quantile(uniform, 1 - uniform).to(self.low.dtype)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value``, differentiable in it and every parameter; exactly the ends at 0 and 1."""
        low, high = self._interval()
        low, high = torch.where(self.low >= low, self.low, low), torch.where(self.high <= high, self.high, high)
        return self._rounded(at_ends(widened(value), lambda p: self._quantile(p, 1 - p), low, high), value)

    def _saturated(self, value: Tensor) -> Tensor:
        low, high = self._interval()
        limit = torch.finfo(value.dtype).max
        return value + (torch.maximum(torch.minimum(value, high), low).clamp(-limit, limit) - value).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, −inf outside the interval."""
        low, high = self._interval()
        outside = (self._validated(value) < low) | (value > high)
        log_density = self.base.log_prob(torch.where(outside, between(low, high), widened(value)))
        return self._rounded(torch.where(outside, -math.inf, log_density - _log_mass(self._ends())), value)

    def cdf(self, value: Tensor) -> Tensor:
        """P(Z ≤ value), accurate to relative precision near both ends."""
        low, high = self._interval()
        from_small, from_big, upper = self._fractions(value)
        inside = torch.where(upper, from_big, from_small)
        return self._rounded(torch.where(value <= low, 0.0, torch.where(value >= high, 1.0, inside)), value)

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value), accurate to relative precision near both ends."""
        low, high = self._interval()
        from_small, from_big, upper = self._fractions(value)
        inside = torch.where(upper, from_small, from_big)
        return self._rounded(torch.where(value <= low, 1.0, torch.where(value >= high, 0.0, inside)), value)

    @property
    def mean(self) -> Tensor:
        """The mean, by quadrature."""
        z, weight = self._quadrature()
        return self._where_it_exists((weight * z).sum(0), self.base.mean)

    @property
    def variance(self) -> Tensor:
        """The variance, by quadrature."""
        z, weight = self._quadrature()
        distance = z - (weight * z).sum(0)
        return self._where_it_exists((weight * distance.square()).sum(0), self.base.variance)

    @property
    def mode(self) -> Tensor:
        """The mode of ``base``, clamped to the interval; assumes that ``base`` is unimodal."""
        return torch.maximum(torch.minimum(self.base.mode, self.high), self.low)

    def entropy(self) -> Tensor:
        """The entropy in nats, by quadrature."""
        z, weight = self._quadrature()
        return self._rounded(_log_mass(self._ends()) - (weight * self.base.log_prob(z)).sum(0))

    def _rounded(self, result: Tensor, value: Tensor | None = None) -> Tensor:
        """Return the result in the dtype that torch gives to arithmetic of the parameters and the value."""
        return result.to(self.low.dtype if value is None else result_dtype(self.low, value))

    def _where_it_exists(self, value: Tensor, of_base: Tensor) -> Tensor:
        low, high = self._interval()
        return self._rounded(torch.where((low.isfinite() & high.isfinite()) | of_base.isfinite(), value, of_base))

    def _quadrature(self) -> tuple[Tensor, Tensor]:
        """Return quantiles z(u) along a new first dimension, u = sigmoid(π sinh t) for evenly spaced t, and the weights du."""
        low, step = widened(self.low), 0.0625
        t = step * torch.arange(-_NODES[low.dtype], _NODES[low.dtype] + 1, dtype=low.dtype, device=low.device)
        t = t.reshape(-1, *(1,) * low.dim())
        u, v = (math.pi * t.sinh()).sigmoid(), (-math.pi * t.sinh()).sigmoid()
        return self._quantile(u, v), step * math.pi * t.cosh() * u * v

    def _interval(self) -> tuple[Tensor, Tensor]:
        """Return the ends of the support, without gradient."""
        low, high = support_ends(self.base, widened(self.low))
        return torch.maximum(widened(self.low.detach()), low), torch.minimum(widened(self.high.detach()), high)

    def _ends(self) -> _Ends:
        cdf_low, survival_low = log_tails(self.base, widened(self.low))
        cdf_high, survival_high = log_tails(self.base, widened(self.high))
        upper = cdf_low.detach() > -math.log(2)
        return _Ends(upper, torch.where(upper, survival_high, cdf_low), torch.where(upper, survival_low, cdf_high))

    def _fractions(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return r = (T(value) − small)/(big − small), 1 − r, and whether T is the survival function."""
        low, high = self._interval()
        ends, outside = self._ends(), (self._validated(value) <= low) | (value >= high)
        tail = log_tail(self.base, ends.upper, torch.where(outside, between(low, high), widened(value)))
        tail = tail.clamp(min=torch.finfo(tail.dtype).min)
        mass = torch.expm1(ends.small - ends.big)
        from_small = (tail - ends.big).exp() * torch.expm1(ends.small - tail) / mass
        return from_small, torch.expm1(tail - ends.big) / mass, ends.upper

    def _quantile(self, p: Tensor, q: Tensor) -> Tensor:
        """Solve F(z) = q F(low) + p F(high), p + q = 1, for z, with its derivatives in p and all parameters."""
        base = self.base
        if not isinstance(base, torch.distributions.Normal):
            return self._numerical_quantile(p, q)
        a, b = (_standardized(widened(end), base.loc, base.scale) for end in (self.low, self.high))
        z = base.loc + base.scale * truncated_ndtri(a, b, p, q)
        inside = torch.maximum(torch.minimum(z.detach(), self.high.detach()), self.low.detach())
        return z + (inside - z.detach())

    def _numerical_quantile(self, p: Tensor, q: Tensor) -> Tensor:
        """The same by inversion of T: T(z) = v · small + u · big."""
        ends = self._ends()
        u, v = torch.where(ends.upper, q, p), torch.where(ends.upper, p, q)
        gap = ends.small - ends.big
        lack = -v * torch.expm1(gap)
        near = lack < 0.5
        mixed = torch.where(near, 1.0, u + v * gap.exp())
        log_probability = ends.big + torch.where(near, torch.log1p(-torch.where(near, lack, 0.0)), mixed.log())
        return quantile(self.base, ends.upper, log_probability, *self._interval())


def _log_mass(ends: _Ends) -> Tensor:
    return ends.big + (-torch.expm1(ends.small - ends.big)).log()


@torch.distributions.register_kl(Truncated, Truncated)
def kl_truncated_truncated(p: Truncated, q: Truncated) -> Tensor:
    """KL(p ‖ q) of truncated normal distributions in closed form, in nats; infinite where the interval of p exceeds that of q.

    With the ends a, b of p in standard deviations of its base, Z = Φ(b) − Φ(a), m = (φ(a) − φ(b))/Z and
    m₂ = 1 + (a φ(a) − b φ(b))/Z, the first two moments of x = (z − μ_p)/σ_p,

        KL = ln(σ_q Z_q) − ln(σ_p Z_p) + (σ_p² m₂ + 2 σ_p (μ_p − μ_q) m + (μ_p − μ_q)²)/(2 σ_q²) − m₂/2.

    Computed in float64. Absolute error at most 3e-15 (1 + a²)/w², where w is the width of the interval, at most 1, and a its
    end nearer to the mean, both in standard deviations.

    Raises:
        NotImplementedError: a base is not normal.
    """
    for base in (p.base, q.base):
        if not isinstance(base, torch.distributions.Normal):
            raise NotImplementedError(f"no closed form is known for the divergence of a truncated {type(base).__name__}")
    (p_low, p_high), (q_low, q_high) = p._interval(), q._interval()
    divergence = _normal_divergence(p.base.loc, p.base.scale, p.low, p.high, q.base.loc, q.base.scale, q.low, q.high)
    return torch.where((p_low < q_low) | (p_high > q_high), math.inf, divergence)


@torch.distributions.register_kl(Truncated, torch.distributions.Normal)
def kl_truncated_normal(p: Truncated, q: torch.distributions.Normal) -> Tensor:
    """KL(p ‖ q) of a truncated normal distribution and one that is not, in nats."""
    return kl_truncated_truncated(p, Truncated(q, validate_args=False))


@in_float64
def _normal_divergence(
    loc: Tensor, scale: Tensor, low: Tensor, high: Tensor, other_loc: Tensor, other_scale: Tensor, least: Tensor, most: Tensor
) -> Tensor:
    mass, mean, excess = _standard_moments(*(_standardized(end, loc, scale) for end in (low, high)))
    other_mass = _standard_moments(*(_standardized(end, other_loc, other_scale) for end in (least, most)))[0]
    square = 1 + excess
    ratio, shift = scale / other_scale, (loc - other_loc) / other_scale
    distance = ratio.square() * square + 2 * ratio * shift * mean + shift.square()
    return other_mass - mass - ratio.log() + 0.5 * (distance - square)


def _standardized(end: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """(end − loc)/scale; at infinite ends the gradient is 0."""
    finite = end.abs() < math.inf
    return torch.where(finite, (torch.where(finite, end, 0.0) - loc) / scale, end)


def _standard_moments(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ln Z, E[x] = (φ(a) − φ(b))/Z and E[x²] − 1 = (a φ(a) − b φ(b))/Z for a < b, either of which may be infinite."""
    # Φ is symmetric: the interval is moved to the side where Z is a difference of small tails
    flip = a > 0
    low, high = torch.where(flip, -b, a), torch.where(flip, -a, b)
    log_low, log_high = limited_log_ndtr(low), limited_log_ndtr(high)
    lack = -torch.expm1(log_low - log_high)
    log_mass = log_high + lack.log()
    finite_low, finite_high = (torch.where(x.isfinite(), x, 0.0) for x in (low, high))
    direct_low, direct_high = (
        (-0.5 * (x.square() + math.log(2 * math.pi)) - log_mass).exp() for x in (finite_low, finite_high)
    )
    # in a tail the exponents would cancel: φ(high)/Φ(high) first, then the ratio of the densities
    tail = high < 0
    hazard = math.sqrt(2 / math.pi) / torch.special.erfcx(torch.where(tail, -math.sqrt(0.5) * high, 0.0)) / lack
    drop = torch.where(tail, 0.5 * (finite_high - finite_low) * (finite_high + finite_low), 0.0)
    at_low = torch.where(low.isfinite(), torch.where(tail, hazard * drop.clamp(max=0).exp(), direct_low), 0.0)
    at_high = torch.where(high.isfinite(), torch.where(tail, hazard, direct_high), 0.0)
    mean = at_low - at_high
    return log_mass, torch.where(flip, -mean, mean), finite_low * at_low - finite_high * at_high
