"""The von Mises distribution function, and the derivative of a sample by its concentration at a fixed value of it.

For z ~ vM(0, κ) on [−π, π], with density p(z) = e^{κ cos z} / (2π I0(κ)), F(z) = ∫_{−π}^z p and A(κ) = I1(κ) / I0(κ),

    D(κ, z) = dz/dκ = −(∂F/∂κ) / p(z) = −∫_0^z (cos t − A(κ)) e^{κ (cos t − cos z)} dt = −sin(z) H(κ, K),    K = κ cos²(z/2).

H is positive and smooth in κ and K, and entire in K: H(0, 0) = 1, H(κ, κ) = 1 − A(κ), H(κ, 0) = 1 + A(κ). As K grows 2K H → 1,
with an expansion in 1/κ and 1/K, 2K H = 1 + 1/(4K) + …, so that no exponential and no difference of large numbers is needed.
There are two regions; both formulas are evaluated for every element and one is selected:

    outer, K ≥ edge:  H = R(x, y) / (2K),              x ~ 1/K,        y ~ 1/κ,
    near, K < edge:   H = N(x, y) / (2 (K + B) M),     x ~ 1/(K + B),  y ~ 1/(κ + B),   M = Π (κ² + j²)/(κ + B)².

R and N are polynomials in x and y, which are scaled to [−1, 1]. M cancels the first poles of H, the zeros ±ij of I0(κ).
The only transcendental functions are sin(z) and cos(z/2). They make D accurate near its zeros ±π, where D ~ (1 + A) (z ∓ π).

The distribution function is computed likewise by two formulas, with s = sin(|z|/2):

    κ < split:  F = 1/2 + z/(2π) + Σ ρₙ sin(nz)/(nπ),  n ≤ harmonics, ρₙ = Iₙ(κ)/I0(κ), by the continued fraction of Iₙ₊₁/Iₙ
                (DLMF 10.35.2, 10.33.1; Hill 1977, ACM Algorithm 518),
    κ ≥ split:  F(−|z|) = erfc(√(2κ) s)/2 − e^{−2κs²} s/√κ P(x, y),    x = 2s² − 1, y ~ 1/κ, P a polynomial.

The polynomials are least-squares fits in high precision, nearly minimax: R and N in the relative error of D, over the whole
circle for κ ≤ 20, and otherwise for κ s² ≤ 11, which excludes a probability below 2e-11; P in the absolute error of F. The
number of operations is the same for every element. R, N and M together have 160 (float32) and 420 (float64) terms.

Relative error of D in this range, for κ from 1e-30 to 1e20: at most 8e-7 in float32 (median 1e-7) and 5e-14 in float64. Outside
it, where samples do not occur, R is as accurate, and N has a relative error of 5e-4. Absolute error of F: 3e-7 and 1e-14. The
tails of F have a relative error of 5e-5 in float64 down to 1e-10, and are not resolved below 1e-7 in float32.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner
from irg_experiments.implicit.special._elementwise import derivative_of, differentiable, elementwise
from irg_experiments.implicit.special._von_mises_coefficients import VON_MISES_FITS, VonMisesFit
from irg_experiments.implicit.special.von_mises_fisher import mean_resultant_complement

# π rounded to the dtype: larger than π in float32, smaller in float64
_PI = {torch.float32: 3.1415927410125732, torch.float64: math.pi}


def von_mises_sample_grad(concentration: Tensor | float, z: Tensor | float) -> Tensor:
    """The derivative dz/dκ of a sample z of vM(0, κ) at a fixed distribution function F(z).

    dz/dκ = −(∂F/∂κ) / p(z), with the density p(z) = e^{κ cos z} / (2π I0(κ)).

    Args:
        concentration: κ ≥ 0.
        z: the sample in radians, −π ≤ z ≤ π; broadcast with ``concentration``.

    Returns:
        The derivative, with the sign of −z; −sin z for κ = 0; 0 where |z| is π rounded to the dtype; NaN for larger |z|, for
        κ < 0 and for NaN. Relative error at most 8e-7 in float32 and 5e-14 in float64, for κ from 1e-30 to 1e20 and all but
        2e-11 of the probability.

        Relative error of its derivatives in κ and z, and so of d²z/dκ², at most 1e-11 in float64 and 3e-5 in float32, for κ
        from 1e-6 to 1e8 in this range.

    Raises:
        NotImplementedError: the second derivative of the result is requested.

    Source: Figurnov, Mohamed & Mnih (2018), univariate case; the module's docstring describes the computation.
    """
    return elementwise(_von_mises_sample_grad, _SAMPLE_GRAD_SLOPES, concentration, z)


def von_mises_cdf(x: Tensor | float, concentration: Tensor | float) -> Tensor:
    """The distribution function F(x) of vM(0, κ), with F(x + 2πk) = F(x) + k; differentiable in x and κ.

    Args:
        x: the angle in radians, any real number.
        concentration: κ ≥ 0; broadcast with ``x``.

    Returns:
        The probability of [−π, x], between 0 and 1 for |x| ≤ π, 0.5 at x = 0; NaN for κ < 0 and NaN. Absolute error at most
        3e-7 in float32 and 1e-14 in float64.

        Relative error of second derivatives at most 1e-9 in float64, for κ up to 1e6 and all but 2e-11 of the probability.

    Raises:
        NotImplementedError: a third derivative that involves κ.

    Source: Hill (1977), ACM Algorithm 518, for small κ; the module's docstring describes the formula for large κ.
    """
    return elementwise(_von_mises_cdf, (_density, _cdf_grad_concentration), x, concentration)


def circular_variance(concentration: Tensor) -> Tensor:
    """The circular variance 1 − I1(κ)/I0(κ) of vM(loc, κ), twice differentiable in κ.

    Args:
        concentration: κ ≥ 0.

    Returns:
        A value in (0, 1], about 1/(2κ) for large κ; NaN for κ < 0 and NaN. Relative error at most 2e-13 in float64.
    """
    return mean_resultant_complement(concentration, 2)


def _von_mises_density(x: Tensor, concentration: Tensor) -> Tensor:
    """e^{κ cos x} / (2π I0(κ)), with cos x − 1 = −2 sin²(x/2) so that nothing overflows."""
    return (-2 * concentration * (0.5 * x).sin().square()).exp() / (2 * math.pi * torch.special.i0e(concentration))


def _density_grad_x(x: Tensor, concentration: Tensor) -> Tensor:
    return -concentration * x.sin() * _density(x, concentration)


def _density_grad_concentration(x: Tensor, concentration: Tensor) -> Tensor:
    """p (cos x − A)."""
    return _density(x, concentration) * (circular_variance(concentration) - 2 * (0.5 * x).sin().square())


_density = differentiable(_von_mises_density, (_density_grad_x, _density_grad_concentration))


def _cdf_grad_concentration(x: Tensor, concentration: Tensor) -> Tensor:
    z = _within_one_turn(VON_MISES_FITS[x.dtype], x)[0]
    return -_density(x, concentration) * von_mises_sample_grad(concentration, z)


def _von_mises_sample_grad(concentration: Tensor, z: Tensor) -> Tensor:
    at_end = (concentration >= 0) & (z.abs() == _PI[z.dtype])
    return torch.where(at_end, 0.0, _smooth_sample_grad(concentration, z))


def _smooth_sample_grad(concentration: Tensor, z: Tensor) -> Tensor:
    """The same, except that it does not round |z| = π."""
    grad = -z.sin() * _derivative_over_sine(concentration, (0.5 * z).cos().square())
    return torch.where((concentration >= 0) & (z.abs() <= _PI[z.dtype]), grad, math.nan)


_SAMPLE_GRAD_SLOPES = tuple(
    derivative_of(_smooth_sample_grad, index, "the second derivative of a von Mises sample") for index in range(2)
)


def _von_mises_cdf(x: Tensor, concentration: Tensor) -> Tensor:
    k = VON_MISES_FITS[x.dtype]
    z, turns = _within_one_turn(k, x)
    low = _fourier_cdf(k, concentration.clamp(max=k.split), z)
    high = _tail_cdf(k, concentration.clamp(min=k.split), z)
    cdf = torch.where(concentration < k.split, low, high).clamp(0.0, 1.0)
    cdf = torch.where(z == 0, 0.5, cdf) + turns
    return torch.where(concentration >= 0, cdf, math.nan)


def _within_one_turn(k: VonMisesFit, x: Tensor) -> tuple[Tensor, Tensor]:
    """x reduced to [−π, π], and the number of full turns; 2π is subtracted in three parts, without rounding errors."""
    turns = (x * (0.5 / math.pi)).round()
    return ((x - turns * k.turn[0]) - turns * k.turn[1]) - turns * k.turn[2], turns


def _derivative_over_sine(concentration: Tensor, c: Tensor) -> Tensor:
    """H, for c = cos²(z/2)."""
    k = VON_MISES_FITS[concentration.dtype]
    big = concentration * c
    outer = big >= k.edge

    v, p = 1 / concentration.clamp(min=k.edge), 1 / big.clamp(min=k.edge)
    right = _polynomial(k.outer, 2 * k.edge * p - 1, 2 * k.edge * v - 1) * p

    v, p = 1 / (concentration + k.shift), 1 / (big.clamp(max=k.edge) + k.shift)
    # not computed from p and v alone, which would cancel for small κ
    u = concentration * v
    x = 1 - 2 * (k.edge + k.shift) / k.edge * (big.clamp(max=k.edge) * p)
    left = _polynomial(k.near, x, 1 - 2 * u) * p / _pole_factor(k, u, v * v)
    return 0.5 * torch.where(outer, right, left)


def _pole_factor(k: VonMisesFit, u: Tensor, square: Tensor) -> Tensor | float:
    """M, from u = κ/(κ + B) and the square of 1/(κ + B)."""
    product: Tensor | float = 1.0
    for zero in k.zeros:
        product = product * (u * u + zero * square)
    return product


def _fourier_cdf(k: VonMisesFit, concentration: Tensor, z: Tensor) -> Tensor:
    """F for small κ. sin(nz) is computed by rotations from n = 1, so that the largest terms have the smallest errors."""
    sin, cos = z.sin(), z.cos()
    sines, s, c = [], sin, cos
    for _ in range(k.harmonics):
        sines.append(s)
        s, c = s * cos + c * sin, c * cos - s * sin
    ratio = concentration / (2 * (k.harmonics + 1))
    total = torch.zeros_like(z)
    for n in range(k.harmonics, 0, -1):
        ratio = concentration / (2 * n + concentration * ratio)
        total = ratio * (sines[n - 1] / n + total)
    return 0.5 + (0.5 * z + total) / math.pi


def _tail_cdf(k: VonMisesFit, concentration: Tensor, z: Tensor) -> Tensor:
    """F for large κ."""
    s = (0.5 * z).sin().abs()
    grown = (2 * concentration).sqrt() * s
    square = s * s
    p = _polynomial(k.tail, 2 * square - 1, 2 * k.split / concentration - 1)
    tail = 0.5 * grown.erfc() - (-2 * concentration * square).exp() * s * concentration.rsqrt() * p
    tail = tail.clamp(min=0.0)
    return torch.where(z < 0, tail, 1 - tail)


def _polynomial(rows: tuple[tuple[float, ...], ...], x: Tensor, y: Tensor) -> Tensor:
    """By powers of x, then of y. The polynomials in y are independent, so the processor evaluates them in parallel."""
    total = x * horner(rows[-1], y)
    for row in reversed(rows[1:-1]):
        total = (total + horner(row, y)) * x
    return total + horner(rows[0], y)
