"""One row per distribution, read by the generic tests, the benchmark and the README's table of distributions.

To add a distribution, add its row. Tests that need a field which a row omits skip the row.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import scipy.special
import scipy.stats
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments import implicit
from tests.implicit.references import ScipyKumaraswamy, ScipyMixture, ScipyTwoPieceNormal

Parameters = tuple[Any, ...]


@dataclass(frozen=True)
class Row:
    """A distribution, its parameters, and reference values.

    Attributes:
        make: returns the distribution for parameter tensors; takes ``validate_args``.
        grid: parameter sets for the generic tests: numbers, or nested lists for vectors.
        draws: parameter sets at which draws are compared with the distribution function.
        gradient: how the sample gets its gradient, for the table.
        peer: torch's class for the same distribution, with the same parameters, if there is one.
        scipy: returns the frozen SciPy distribution of a parameter set; for vectors, that of ``project(sample)``.
        project: maps a sample to a scalar with the distribution ``scipy``.
        expectations: for each name, f(z) and E[f(z)] as a differentiable function of the parameters; None for quadrature.
        invalid: a parameter set that must be rejected.
        divergences: pairs (p, q) of parameter sets with a registered KL(p ‖ q).
        range: bounds of each parameter in the search of extremes, log-uniform if the lower bound is positive.
        truth: the table of tests/truth with reference values of the derivative, and the function it describes.
        clamps: whether draws beyond the range of the dtype are returned as its limit.
    """

    make: Callable[..., td.Distribution]
    grid: tuple[Parameters, ...]
    gradient: str
    draws: tuple[Parameters, ...] = ()
    peer: type[td.Distribution] | None = None
    scipy: Callable[..., Any] | None = None
    project: Callable[[Tensor], Tensor] | None = None
    expectations: dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., Tensor]]] = field(default_factory=dict)
    invalid: Parameters | None = None
    divergences: tuple[tuple[Parameters, Parameters], ...] = ()
    range: tuple[tuple[float, float], ...] = ()
    truth: tuple[str, str] | None = None
    clamps: bool = False

    def parameters(self, rows: tuple[Parameters, ...] | None = None, dtype: torch.dtype = torch.float64) -> list[Tensor]:
        """The parameter sets, by default the grid, stacked into one tensor per parameter."""
        columns = zip(*(self.grid if rows is None else rows), strict=True)
        return [torch.tensor(column, dtype=dtype) for column in columns]

    def grid_distribution(self, dtype: torch.dtype = torch.float64, **options: Any) -> td.Distribution:
        """The distribution whose batch is the grid."""
        return self.make(*self.parameters(dtype=dtype), **options)


def identity(z: Tensor) -> Tensor:
    return z


def square(z: Tensor) -> Tensor:
    return z * z


def moments(mean: Callable[..., Tensor], variance: Callable[..., Tensor]) -> dict[str, Any]:
    """E[z] and E[z²] of a mean and a variance."""
    return {"z": (identity, mean), "z²": (square, lambda *p: variance(*p) + mean(*p) ** 2)}


def trigamma(a: Tensor) -> Tensor:
    return torch.special.polygamma(1, a)


def shapes(*others: float) -> tuple[Parameters, ...]:
    """The shape parameters at which draws are tested, with the other parameters fixed."""
    return tuple((shape, *others) for shape in (1e-3, 1e-1, 1.0, 10.0, 1e4))


def bessel_ratio(concentration: Tensor) -> Tensor:
    return torch.special.i1e(concentration) / torch.special.i0e(concentration)


def skew(shape: Tensor) -> Tensor:
    """The mean of the standard skew normal distribution."""
    return math.sqrt(2 / math.pi) * shape / (1 + shape**2).sqrt()


def third(shape: Tensor) -> Tensor:
    """Its third moment."""
    return skew(shape) * (3 - shape**2 / (1 + shape**2))


def gram(scale_tril: Tensor) -> Tensor:
    return scale_tril.tril() @ scale_tril.tril().mT


def mixture(logits: Tensor, loc: Tensor, scale: Tensor, validate_args: bool | None = None) -> td.Distribution:
    weights = td.Categorical(logits=logits, validate_args=validate_args)
    components = implicit.Normal(loc, scale, validate_args=validate_args)
    return implicit.MixtureSameFamily(weights, components, validate_args=validate_args)


def copula(loc: Tensor, scale: Tensor, correlation: Tensor, validate_args: bool | None = None) -> td.Distribution:
    rows = torch.ones_like(correlation), torch.zeros_like(correlation), correlation, (1 - correlation**2).sqrt()
    marginals = implicit.Gumbel(loc, scale, validate_args=validate_args)
    return implicit.Copula(marginals, torch.stack(rows, -1).unflatten(-1, (2, 2)), validate_args=validate_args)


TEMPERATURE = 0.6


def exp_concrete(logits: Tensor, validate_args: bool | None = None) -> td.Distribution:
    return implicit.ExpConcrete(logits.new_tensor(TEMPERATURE), logits=logits, validate_args=validate_args)


REGISTRY: dict[str, Row] = {
    "Normal": Row(
        implicit.Normal,
        grid=((0.0, 1.0), (-3.0, 0.2), (100.0, 30.0)),
        gradient="explicit",
        draws=tuple((1.0, scale) for scale in (1e-3, 1e-1, 1.0, 10.0, 1e4)),
        peer=td.Normal,
        scipy=scipy.stats.norm,
        expectations=moments(lambda m, s: m, lambda m, s: s**2),
        invalid=(0.0, -1.0),
        divergences=(((0.0, 1.0), (0.5, 2.0)),),
        range=((-1e3, 1e3), (1e-6, 1e6)),
    ),
    "Gamma": Row(
        implicit.Gamma,
        grid=((0.1, 1.0), (1.0, 3.0), (7.5, 0.5), (300.0, 2.0)),
        gradient="implicit",
        draws=shapes(2.0),
        peer=td.Gamma,
        scipy=lambda a, r: scipy.stats.gamma(a, scale=1 / r),
        expectations={
            **moments(lambda a, r: a / r, lambda a, r: a / r**2),
            "log z": (torch.log, lambda a, r: a.digamma() - r.log()),
        },
        invalid=(-1.0, 1.0),
        divergences=(((0.3, 1.0), (1.0, 2.0)), ((20.0, 3.0), (15.0, 2.0))),
        range=((1e-3, 1e6), (1e-3, 1e3)),
        truth=("gamma", "gamma_sample_grad"),
        clamps=True,
    ),
    "LogGamma": Row(
        implicit.LogGamma,
        grid=((0.1, 1.0), (1.0, 3.0), (7.5, 0.5), (300.0, 2.0)),
        gradient="implicit",
        draws=shapes(2.0),
        scipy=lambda a, r: scipy.stats.loggamma(a, loc=-math.log(r)),
        expectations={
            **moments(lambda a, r: a.digamma() - r.log(), lambda a, r: trigamma(a)),
            "exp z": (torch.exp, lambda a, r: a / r),
        },
        invalid=(0.0, 1.0),
        divergences=(((0.3, 1.0), (1.0, 2.0)),),
        range=((1e-3, 1e6), (1e-3, 1e3)),
        truth=("gamma", "log_gamma_sample_grad"),
    ),
    "InverseGamma": Row(
        implicit.InverseGamma,
        grid=((0.4, 1.0), (3.0, 3.0), (7.5, 0.5), (300.0, 2.0)),
        gradient="implicit",
        draws=shapes(2.0),
        peer=td.InverseGamma,
        scipy=lambda a, r: scipy.stats.invgamma(a, scale=r),
        expectations={"log z": (torch.log, lambda a, r: r.log() - a.digamma()), "1/z": (torch.reciprocal, lambda a, r: a / r)},
        invalid=(1.0, -1.0),
        divergences=(((3.0, 1.0), (2.0, 2.0)),),
        range=((0.3, 1e6), (1e-3, 1e3)),
        truth=("gamma", "log_gamma_sample_grad"),
        clamps=True,
    ),
    "InverseGaussian": Row(
        implicit.InverseGaussian,
        grid=((1.0, 0.2), (0.5, 1.0), (3.0, 20.0), (2.0, 900.0)),
        gradient="implicit",
        draws=tuple((2.0, concentration) for concentration in (1e-2, 1e-1, 1.0, 10.0, 1e4)),
        scipy=lambda m, c: scipy.stats.invgauss(m / c, scale=c),
        expectations={
            **moments(lambda m, c: m, lambda m, c: m**3 / c),
            "1/z": (torch.reciprocal, lambda m, c: 1 / m + 1 / c),
        },
        invalid=(1.0, -1.0),
        divergences=(((1.0, 2.0), (1.5, 0.5)), ((3.0, 50.0), (2.9, 60.0))),
        range=((1e-3, 1e3), (1e-3, 1e6)),
        truth=("inverse_gaussian", "inverse_gaussian_sample_grad"),
        clamps=True,
    ),
    "SkewNormal": Row(
        implicit.SkewNormal,
        grid=((0.0, 1.0, 0.3), (-3.0, 0.2, -2.0), (100.0, 30.0, 8.0)),
        gradient="implicit",
        draws=tuple((1.0, 2.0, shape) for shape in (-1e3, -1.0, 1e-3, 2.0, 30.0)),
        scipy=lambda m, s, a: scipy.stats.skewnorm(a, loc=m, scale=s),
        expectations={
            **moments(lambda m, s, a: m + s * skew(a), lambda m, s, a: s**2 * (1 - skew(a) ** 2)),
            # E[x³] = √(2/π) δ (3 − δ²) of the standardized variable
            "z³": (lambda z: z**3, lambda m, s, a: m**3 + 3 * m**2 * s * skew(a) + 3 * m * s**2 + s**3 * third(a)),
        },
        invalid=(0.0, -1.0, 1.0),
        range=((-1e3, 1e3), (1e-3, 1e3), (-1e4, 1e4)),
    ),
    "TwoPieceNormal": Row(
        implicit.TwoPieceNormal,
        grid=((0.0, 1.0, 0.4), (-3.0, 0.2, 1.0), (100.0, 30.0, 5.0)),
        gradient="implicit",
        draws=tuple((1.0, 2.0, skewness) for skewness in (1e-2, 0.5, 1.0, 3.0, 50.0)),
        scipy=ScipyTwoPieceNormal,
        expectations=moments(
            lambda m, s, g: m + s * math.sqrt(2 / math.pi) * (g - 1 / g),
            lambda m, s, g: s**2 * (1 + (1 - 2 / math.pi) * (g - 1 / g) ** 2),
        ),
        invalid=(0.0, 1.0, -1.0),
        range=((-1e3, 1e3), (1e-3, 1e3), (1e-3, 1e3)),
    ),
    "GeneralizedGamma": Row(
        implicit.GeneralizedGamma,
        grid=((0.4, 1.0, 0.9), (1.0, 3.0, 2.0), (7.5, 0.5, 0.6), (300.0, 2.0, 3.0)),
        gradient="implicit",
        # at smaller shapes SciPy's z^p underflows
        draws=tuple((shape, 2.0, 1.5) for shape in (1e-2, 1e-1, 1.0, 10.0, 1e4)),
        scipy=lambda k, s, p: scipy.stats.gengamma(k, p, scale=s),
        expectations={
            "z": (identity, lambda k, s, p: s * ((k + 1 / p).lgamma() - k.lgamma()).exp()),
            "log z": (torch.log, lambda k, s, p: s.log() + k.digamma() / p),
        },
        invalid=(1.0, 1.0, -1.0),
        divergences=(((0.5, 1.0, 2.0), (1.0, 2.0, 1.5)), ((20.0, 3.0, 0.7), (15.0, 2.0, 0.6))),
        range=((1e-2, 1e6), (1e-3, 1e3), (0.3, 30.0)),
        truth=("gamma", "log_gamma_sample_grad"),
        clamps=True,
    ),
    "Weibull": Row(
        implicit.Weibull,
        grid=((1.0, 0.6), (3.0, 1.0), (0.5, 4.0), (2.0, 50.0)),
        gradient="explicit",
        draws=tuple((2.0, concentration) for concentration in (1e-2, 1e-1, 1.0, 10.0, 1e3)),
        peer=td.Weibull,
        scipy=lambda s, k: scipy.stats.weibull_min(k, scale=s),
        expectations={
            "z": (identity, lambda s, k: s * (1 + 1 / k).lgamma().exp()),
            "log z": (torch.log, lambda s, k: s.log() - 0.5772156649015329 / k),
        },
        invalid=(1.0, -1.0),
        divergences=(((1.0, 2.0), (2.0, 1.5)),),
        range=((1e-3, 1e3), (1e-2, 1e3)),
        clamps=True,
    ),
    "Gumbel": Row(
        implicit.Gumbel,
        grid=((0.0, 1.0), (-3.0, 0.2), (100.0, 30.0)),
        gradient="explicit",
        draws=tuple((1.0, scale) for scale in (1e-3, 1e-1, 1.0, 10.0, 1e4)),
        peer=td.Gumbel,
        scipy=scipy.stats.gumbel_r,
        expectations=moments(lambda m, s: m + 0.5772156649015329 * s, lambda m, s: math.pi**2 / 6 * s**2),
        invalid=(0.0, -1.0),
        divergences=(((0.0, 1.0), (0.5, 2.0)),),
        range=((-1e3, 1e3), (1e-6, 1e6)),
    ),
    "BetaPrime": Row(
        implicit.BetaPrime,
        grid=((0.5, 5.0), (3.0, 6.5), (10.0, 12.0), (200.0, 300.0)),
        gradient="implicit, by Gammas",
        draws=((1e-3, 10.0), (1e-1, 1.0), (1.0, 10.0), (10.0, 1.0), (1e4, 1e4)),
        scipy=scipy.stats.betaprime,
        expectations={
            "log z": (torch.log, lambda a, b: a.digamma() - b.digamma()),
            "z": (identity, lambda a, b: a / (b - 1)),
            "z/(1+z)": (lambda z: z / (1 + z), lambda a, b: a / (a + b)),
        },
        invalid=(1.0, -1.0),
        divergences=(((0.5, 0.5), (1.0, 2.0)), ((10.0, 12.0), (8.0, 3.0))),
        range=((0.5, 1e4), (0.5, 1e4)),
        truth=("gamma", "log_gamma_sample_grad"),
        clamps=True,
    ),
    "Chi2": Row(
        implicit.Chi2,
        grid=((0.2,), (1.0,), (15.0,), (600.0,)),
        gradient="implicit",
        draws=shapes(),
        peer=td.Chi2,
        scipy=scipy.stats.chi2,
        expectations={
            **moments(lambda n: n, lambda n: 2 * n),
            "log z": (torch.log, lambda n: (n / 2).digamma() + math.log(2)),
        },
        invalid=(-1.0,),
        divergences=(((1.0,), (4.0,)),),
        range=((2e-3, 1e6),),
        truth=("gamma", "gamma_sample_grad"),
        clamps=True,
    ),
    "Beta": Row(
        implicit.Beta,
        grid=((0.2, 0.3), (0.5, 2.0), (3.0, 1.0), (50.0, 30.0)),
        gradient="implicit, by Gammas",
        draws=((1e-3, 1e-3), (1e-1, 1.0), (1.0, 1.0), (10.0, 0.5), (1e4, 1e4)),
        peer=td.Beta,
        scipy=scipy.stats.beta,
        expectations={
            **moments(lambda a, b: a / (a + b), lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1))),
            "log z": (torch.log, lambda a, b: a.digamma() - (a + b).digamma()),
        },
        invalid=(1.0, -1.0),
        divergences=(((0.5, 0.5), (1.0, 2.0)), ((10.0, 12.0), (8.0, 3.0))),
        range=((1e-2, 1e3), (1e-2, 1e3)),
        truth=("gamma", "log_gamma_sample_grad"),
        clamps=True,
    ),
    "Dirichlet": Row(
        implicit.Dirichlet,
        grid=(([0.1, 0.2, 0.3],), ([1.0, 2.0, 0.5],), ([30.0, 10.0, 60.0],)),
        gradient="implicit, by Gammas",
        draws=tuple(([a, a, 2 * a],) for a in (1e-3, 1e-1, 1.0, 10.0, 1e4)),
        peer=td.Dirichlet,
        scipy=lambda alpha: scipy.stats.beta(alpha[0], sum(alpha[1:])),
        project=lambda z: z[..., 0],
        expectations={
            "θ₀": (lambda z: z[..., 0], lambda a: a[..., 0] / a.sum(-1)),
            "θ₀θ₁": (
                lambda z: z[..., 0] * z[..., 1],
                lambda a: a[..., 0] * a[..., 1] / (a.sum(-1) * (a.sum(-1) + 1)),
            ),
            "log θ₀": (lambda z: z[..., 0].log(), lambda a: a[..., 0].digamma() - a.sum(-1).digamma()),
        },
        invalid=([1.0, -1.0, 1.0],),
        divergences=((([0.5, 1.0, 2.0],), ([1.0, 1.0, 1.0],)),),
        range=((1e-2, 1e4),),
        truth=("gamma", "log_gamma_sample_grad"),
        clamps=True,
    ),
    "StudentT": Row(
        implicit.StudentT,
        grid=((0.7, 0.0, 1.0), (5.0, -1.0, 2.0), (8.5, 3.0, 0.5), (400.0, 0.0, 1.0)),
        gradient="implicit",
        draws=shapes(0.5, 2.0),
        peer=td.StudentT,
        scipy=scipy.stats.t,
        expectations={"tanh z": (lambda z: torch.tanh(z - 0.3), None)},
        invalid=(-1.0, 0.0, 1.0),
        range=((0.3, 1e4), (-1e3, 1e3), (1e-3, 1e3)),
        truth=("student_t", "student_t_sample_grad"),
        clamps=True,
    ),
    "FisherSnedecor": Row(
        implicit.FisherSnedecor,
        grid=((0.5, 7.0), (3.0, 6.5), (10.0, 12.0), (200.0, 300.0)),
        gradient="implicit, by Gammas",
        draws=((1e-3, 10.0), (1e-1, 1.0), (1.0, 10.0), (10.0, 1.0), (1e4, 1e4)),
        peer=td.FisherSnedecor,
        scipy=scipy.stats.f,
        expectations={
            "log z": (torch.log, lambda m, n: (m / 2).digamma() - (n / 2).digamma() + (n / m).log()),
            "z/(1+z)": (lambda z: z / (1 + z), None),
        },
        invalid=(1.0, -1.0),
        range=((0.5, 1e4), (0.5, 1e4)),
        truth=("gamma", "log_gamma_sample_grad"),
        clamps=True,
    ),
    "VonMises": Row(
        implicit.VonMises,
        grid=((0.0, 0.1), (0.0, 1.0), (0.0, 9.0), (0.0, 300.0)),
        gradient="implicit",
        draws=tuple((0.0, concentration) for concentration in (1e-3, 1e-1, 1.0, 10.0, 1e4)),
        peer=td.VonMises,
        scipy=lambda loc, concentration: scipy.stats.vonmises(concentration, loc=loc),
        expectations={
            "cos z": (torch.cos, lambda m, k: m.cos() * bessel_ratio(k)),
            "sin z": (torch.sin, lambda m, k: m.sin() * bessel_ratio(k)),
            "cos 2z": (lambda z: (2 * z).cos(), lambda m, k: (2 * m).cos() * (1 - 2 * bessel_ratio(k) / k)),
        },
        invalid=(0.0, -1.0),
        divergences=(((0.3, 2.0), (-1.0, 0.5)), ((0.0, 100.0), (0.1, 80.0))),
        range=((-10.0, 10.0), (1e-3, 1e5)),
        truth=("von_mises", "von_mises_sample_grad"),
    ),
    "Kumaraswamy": Row(
        implicit.Kumaraswamy,
        grid=((0.3, 0.4), (1.0, 3.0), (5.0, 0.7), (20.0, 30.0)),
        gradient="explicit",
        draws=((1e-3, 10.0), (1e-1, 1.0), (1.0, 1.0), (10.0, 0.5), (1e4, 3.0)),
        peer=td.Kumaraswamy,
        scipy=ScipyKumaraswamy,
        expectations={
            "z^a": (identity, lambda a, b: b * torch.exp((1 + 1 / a).lgamma() + b.lgamma() - (1 + 1 / a + b).lgamma())),
        },
        invalid=(-1.0, 1.0),
        range=((1e-2, 1e3), (1e-2, 1e3)),
        clamps=True,
    ),
    "Truncated": Row(
        lambda loc, scale, low, high, validate_args=None: implicit.Truncated(
            implicit.Normal(loc, scale, validate_args=validate_args), low, high, validate_args=validate_args
        ),
        grid=((0.0, 1.0, -1.0, 2.0), (1.0, 0.5, 2.0, 9.0), (-2.0, 3.0, -30.0, -5.0)),
        gradient="implicit",
        draws=((0.0, 1.0, -1.0, 2.0), (0.0, 1.0, 8.0, 20.0)),
        scipy=lambda m, s, a, b: scipy.stats.truncnorm((a - m) / s, (b - m) / s, loc=m, scale=s),
        invalid=(0.0, 1.0, 2.0, 1.0),
        divergences=(((0.0, 1.0, -1.0, 2.0), (0.5, 2.0, -2.0, 3.0)), ((-2.0, 3.0, -30.0, -5.0), (1.0, 4.0, -31.0, -4.0))),
    ),
    "MixtureSameFamily": Row(
        mixture,
        grid=(([0.0, 1.0], [-1.0, 2.0], [0.5, 1.0]), ([3.0, 0.0], [0.0, 0.1], [1.0, 2.0])),
        gradient="implicit",
        draws=(([0.0, 1.0], [-1.0, 2.0], [0.5, 1.0]),),
        peer=td.MixtureSameFamily,
        scipy=ScipyMixture,
        expectations={
            "z": (identity, lambda w, m, s: (w.softmax(-1) * m).sum(-1)),
            "z²": (square, lambda w, m, s: (w.softmax(-1) * (m**2 + s**2)).sum(-1)),
        },
        invalid=([0.0, 0.0], [0.0, 0.0], [1.0, -1.0]),
    ),
    "Reparameterized": Row(
        lambda loc, scale, validate_args=None: implicit.Reparameterized(
            td.Normal(loc, scale, validate_args=validate_args), validate_args=validate_args
        ),
        grid=((0.0, 1.0), (-3.0, 0.2)),
        gradient="implicit",
        draws=((1.0, 2.0),),
        scipy=scipy.stats.norm,
        expectations=moments(lambda m, s: m, lambda m, s: s**2),
        invalid=(0.0, -1.0),
    ),
    "LogisticNormal": Row(
        implicit.LogisticNormal,
        grid=(([0.0, 1.0], [1.0, 0.5]), ([-2.0, 0.3], [0.1, 2.0])),
        gradient="explicit",
        draws=(([0.0, 1.0], [1.0, 0.5]),),
        peer=td.LogisticNormal,
        scipy=lambda loc, scale: scipy.stats.norm(loc[0], scale[0]),
        # stick-breaking of K normals: x₀ = logit θ₀ + ln K
        project=lambda z: z[..., 0].logit() + math.log(2),
        expectations={
            "logit θ₀": (lambda z: z[..., 0].logit(), lambda m, s: m[..., 0] - math.log(2)),
            "logit² θ₀": (
                lambda z: (z[..., 0].logit() + math.log(2)) ** 2,
                lambda m, s: m[..., 0] ** 2 + s[..., 0] ** 2,
            ),
        },
        invalid=([0.0, 0.0], [1.0, -1.0]),
    ),
    "ExpConcrete": Row(
        exp_concrete,
        grid=(([0.0, 1.0, -1.0],), ([3.0, -2.0, 0.5],), ([10.0, 0.0, 10.0],)),
        gradient="explicit",
        draws=(([0.0, 0.0, 0.0],), ([1.0, 3.0, -50.0],)),
        # the difference of two Gumbel variables is logistic
        scipy=lambda logits: scipy.stats.logistic((logits[0] - logits[1]) / TEMPERATURE, 1 / TEMPERATURE),
        project=lambda z: z[..., 0] - z[..., 1],
        expectations={
            "z₀ − z₁": (lambda z: z[..., 0] - z[..., 1], lambda logits: (logits[..., 0] - logits[..., 1]) / TEMPERATURE),
            "(z₀ − z₂)²": (
                lambda z: (z[..., 0] - z[..., 2]) ** 2,
                lambda logits: ((logits[..., 0] - logits[..., 2]) ** 2 + math.pi**2 / 3) / TEMPERATURE**2,
            ),
        },
        invalid=([0.0, math.nan, 0.0],),
        range=((-1e3, 1e3),),
    ),
    "Wishart": Row(
        lambda df, scale_tril, validate_args=None: implicit.Wishart(
            df, scale_tril=scale_tril.tril(), validate_args=validate_args
        ),
        grid=((3.0, [[1.0, 0.0], [0.3, 2.0]]), (9.5, [[0.5, 0.0], [-0.4, 1.0]])),
        gradient="implicit, by Gammas",
        draws=((3.0, [[1.0, 0.0], [0.3, 2.0]]),),
        peer=td.Wishart,
        scipy=lambda df, scale_tril: scipy.stats.chi2(df, scale=scale_tril[0][0] ** 2),
        project=lambda z: z[..., 0, 0],
        expectations={
            "W₀₁": (lambda z: z[..., 0, 1], lambda n, tril: n * gram(tril)[..., 0, 1]),
            "log |W|": (
                lambda z: z.logdet(),
                lambda n, tril: (n / 2).digamma() + ((n - 1) / 2).digamma() + 2 * math.log(2) + gram(tril).logdet(),
            ),
        },
        invalid=(0.5, [[1.0, 0.0], [0.3, 2.0]]),
        truth=("gamma", "log_gamma_sample_grad"),
    ),
    "InverseWishart": Row(
        lambda df, scale_tril, validate_args=None: implicit.InverseWishart(
            df, scale_tril=scale_tril.tril(), validate_args=validate_args
        ),
        grid=((7.0, [[1.0, 0.0], [0.3, 2.0]]), (9.5, [[0.5, 0.0], [-0.4, 1.0]])),
        gradient="implicit, by Gammas",
        draws=((3.0, [[1.0, 0.0], [0.3, 2.0]]), (40.0, [[1.0, 0.0], [0.3, 2.0]])),
        # an entry on the diagonal is inverse Gamma
        scipy=lambda df, scale_tril: scipy.stats.invgamma((df - 1) / 2, scale=scale_tril[0][0] ** 2 / 2),
        project=lambda z: z[..., 0, 0],
        expectations={
            "X₀₁": (lambda z: z[..., 0, 1], lambda n, tril: gram(tril)[..., 0, 1] / (n - 3)),
            "log |X|": (
                lambda z: z.logdet(),
                lambda n, tril: gram(tril).logdet() - (n / 2).digamma() - ((n - 1) / 2).digamma() - 2 * math.log(2),
            ),
        },
        invalid=(0.5, [[1.0, 0.0], [0.3, 2.0]]),
        divergences=(((5.0, [[1.0, 0.0], [0.3, 2.0]]), (7.0, [[0.5, 0.0], [-0.4, 1.0]])),),
        truth=("gamma", "log_gamma_sample_grad"),
    ),
    "LKJCholesky": Row(
        lambda concentration, validate_args=None: implicit.LKJCholesky(3, concentration, validate_args=validate_args),
        grid=((0.6,), (1.0,), (4.0,), (300.0,)),
        gradient="implicit, by Gammas",
        draws=shapes(),
        peer=td.LKJCholesky,
        # each correlation of R is 2 y − 1 with y ~ Beta(η + d/2 − 1, η + d/2 − 1)
        scipy=lambda eta: scipy.stats.beta(eta + 0.5, eta + 0.5, loc=-1, scale=2),
        project=lambda z: (z[..., 2, :] * z[..., 1, :]).sum(-1),
        expectations={
            "ρ²": (lambda z: (z[..., 2, :] * z[..., 1, :]).sum(-1).square(), lambda eta: 1 / (2 * eta + 2)),
            "L₂₂²": (lambda z: z[..., 2, 2].square(), lambda eta: eta / (eta + 1)),
            "log L₂₂": (lambda z: z[..., 2, 2].log(), lambda eta: 0.5 * (eta.digamma() - (eta + 1).digamma())),
        },
        invalid=(-1.0,),
        divergences=(((0.7,), (2.0,)), ((30.0,), (25.0,))),
        range=((1e-2, 1e4),),
        truth=("gamma", "log_gamma_sample_grad"),
    ),
    "VonMisesFisher": Row(
        implicit.VonMisesFisher,
        grid=(([0.6, 0.0, 0.8], 0.5), ([0.0, 1.0, 0.0], 4.0), ([-0.8, 0.6, 0.0], 200.0)),
        gradient="implicit",
        draws=tuple(([1.0, 0.0], concentration) for concentration in (1e-3, 1e-1, 1.0, 10.0, 1e4)),
        scipy=lambda loc, concentration: scipy.stats.vonmises(concentration),
        project=lambda z: torch.atan2(z[..., 1], z[..., 0]),
        # in three dimensions, A(κ) = coth κ − 1/κ
        expectations={"z₀": (lambda z: z[..., 0], lambda m, k: m[..., 0] * (1 / k.tanh() - 1 / k))},
        invalid=([1.0, 1.0], 1.0),
        divergences=((([0.6, 0.0, 0.8], 2.0), ([0.0, 1.0, 0.0], 5.0)),),
        truth=("von_mises_fisher", "von_mises_fisher_sample_grad"),
    ),
    "PowerSpherical": Row(
        implicit.PowerSpherical,
        grid=(([0.6, 0.0, 0.8], 0.5), ([0.0, 1.0, 0.0], 4.0), ([-0.8, 0.6, 0.0], 200.0)),
        gradient="implicit, by Gammas",
        draws=tuple(([1.0, 0.0, 0.0], concentration) for concentration in (1e-3, 1e-1, 1.0, 10.0, 1e4)),
        scipy=lambda loc, concentration: scipy.stats.beta(1 + concentration, 1, loc=-1, scale=2),
        project=lambda z: z[..., 0],
        expectations={
            "z₀": (lambda z: z[..., 0], lambda m, k: m[..., 0] * k / (k + 2)),
        },
        invalid=([1.0, 1.0], 1.0),
        truth=("gamma", "log_gamma_sample_grad"),
    ),
    "Copula": Row(
        copula,
        grid=(([0.0, 1.0], [1.0, 0.5], 0.0), ([-3.0, 2.0], [0.2, 3.0], 0.8), ([0.0, 0.0], [10.0, 1.0], -0.99)),
        gradient="implicit",
        draws=(([0.0, 1.0], [1.0, 0.5], 0.6),),
        scipy=lambda loc, scale, _: scipy.stats.gumbel_r(loc[0], scale[0]),
        project=lambda z: z[..., 0],
        expectations={
            "z₁": (lambda z: z[..., 1], lambda m, s, r: m[..., 1] + 0.5772156649015329 * s[..., 1]),
            "z₁²": (
                lambda z: z[..., 1] ** 2,
                lambda m, s, r: (m[..., 1] + 0.5772156649015329 * s[..., 1]) ** 2 + math.pi**2 / 6 * s[..., 1] ** 2,
            ),
        },
        invalid=([0.0, 0.0], [1.0, -1.0], 0.5),
    ),
}
