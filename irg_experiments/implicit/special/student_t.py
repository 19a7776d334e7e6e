"""The distribution function of Student's t, and the derivative of a sample by its degrees of freedom at a fixed value of it.

For T ~ t(n) with distribution function F(n, t) and density p(n, t),

    dt/dn = −(∂F/∂n) / p(n, t),

the quantity of Figurnov, Mohamed & Mnih (2018), with the CDF as standardization. With t = √n sinh y the
density of y is proportional to cosh⁻ⁿ y, and d = n (dt/dn)/t is a function of n and of q = t²/n = sinh² y alone, in
which every exponential cancels. Laplace's method gives its leading term g, which is also correct in the tails. With
ln(1 + q), the variable of the expansion of Hill (1970),

    g(q) = (1 − (1 + 1/q) ln(1 + q)) / 2,    d(n, q) = g(q) + R(x, v) / n,
    x = 1 / (1 + (1 + q)^⅓) − 1/4,    v = 1 / (n + B),

where R is a polynomial in x and v. Both terms are negative, so they do not cancel. As n grows, dt/dn → −(t + t³)/(4n²),
the derivative of the Cornish–Fisher expansion (Abramowitz & Stegun 26.7.5).

For n < 2 · steps the formula is evaluated at N = n + 2 · steps instead of n, followed by ``steps`` steps of the
recurrence at fixed q

    d(n) = w g(q) − λ(n + 2) − w / (2 (n + 2)) + (n + 1)/(n + 2) · d(n + 2) / (1 + q),    w = q / (1 + q),
    λ(n + 2) = κ(n + 1) − 1 / (2 (n + 2)),    κ(n) = (ψ((n + 1)/2) − ψ(n/2)) / 2,
    λ(n) = λ(n + 2) + 3 / ((n − 1) n (n + 2)),

which is the derivative of DLMF 8.17.20 for 2 (1 − F) = I_{1−w}(n/2, 1/2). Again all terms are negative. It contains the
logarithm by which d grows in the tails of small n. λ(N) is a polynomial in v. Both formulas are evaluated for every
element and one is selected.

The polynomials are least-squares fits, nearly minimax in the relative error of dt/dn, in high precision, over all n > 0
and |t| up to the quantile of tail probability 1e-13. The number of operations is the same for every element. The only
transcendental functions are one logarithm and one exponential.

Relative error of dt/dn for n between 0.3 and 1e4 and |t| up to the quantile of tail probability 1e-12: at most 5e-7 in
float32 and 4e-15 in float64; it is not larger for n between 1e-2 and 1e10. Absolute error of F: 3e-8 and 2e-15.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner
from irg_experiments.implicit.special._beta_coefficients import BETA_RULES
from irg_experiments.implicit.special._elementwise import derivative_of, differentiable, elementwise
from irg_experiments.implicit.special._student_t_coefficients import STUDENT_T_FITS, StudentTFit
from irg_experiments.implicit.special.beta import betainc_of_both

# for larger q, 1 + 1/q is 1 in every dtype and q may overflow: ln q is computed from t/√n
_HUGE = 1e18
# from these degrees of freedom, ratios of Gamma functions come from a series
_MANY = 60.0
# ln(Γ((df + 1)/2)/(√df Γ(df/2))) + ln(2)/2 = Σ a_k v^(2k + 1), v = 2/df, and the coefficients of its derivative by v
_PEAK = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432)
_PEAK_SLOPE = tuple((2 * k + 1) * a for k, a in enumerate(_PEAK))


def student_t_sample_grad(df: Tensor | float, t: Tensor | float) -> Tensor:
    """The derivative dt/d(df) of a sample t of the Student-t distribution at a fixed distribution function F(df, t).

    dt/d(df) = −(∂F/∂df) / p(t), with the density p.

    Args:
        df: degrees of freedom, df > 0.
        t: the sample, any real number; broadcast with ``df``.

    Returns:
        The derivative, with the opposite sign of t; 0 at df = ∞, infinite for infinite t; NaN for df ≤ 0 and NaN. Relative
        error at most 5e-7 in float32 and 4e-15 in float64, for df between 1e-2 and 1e10 and |t| up to the quantile of tail
        probability 1e-12.

        Relative error of its derivatives in df and t, and so of d²t/d(df)², at most 1e-11 in float64 and 1e-6 in float32, for
        finite df and t.

    Raises:
        NotImplementedError: the second derivative of the result is requested.

    Source: Figurnov, Mohamed & Mnih (2018), univariate case; the module's docstring describes the computation.
    """
    return elementwise(_student_t_sample_grad, _SAMPLE_GRAD_SLOPES, df, t)


def stdtr(df: Tensor | float, t: Tensor | float) -> Tensor:
    """The distribution function of Student's t at t, differentiable in df and t.

    I_w(df/2, 1/2)/2 for t ≤ 0 and its complement for t > 0, where w = df/(df + t²) (Abramowitz & Stegun 26.7.1).

    Args:
        df: degrees of freedom, df > 0; at df = ∞ the distribution is normal.
        t: any real number; broadcast with ``df``.

    Returns:
        Values in [0, 1]; NaN for df ≤ 0 and NaN. Absolute error at most 3e-8 in float32, which is computed in float64, and
        2e-15 in float64.

        Relative error of second derivatives at most 1e-9 in float64, for df between 1e-2 and 1e10 and finite t.

    Raises:
        NotImplementedError: a third derivative that involves df.
    """
    return elementwise(_stdtr, (_stdtr_grad_df, _density), df, t)


def student_t_log_peak(df: Tensor) -> Tensor:
    """The logarithm of the density of Student's t at 0, ln(Γ((df + 1)/2)/(√(π df) Γ(df/2))), differentiable.

    Args:
        df: degrees of freedom, df > 0.

    Returns:
        The logarithm; NaN for df < 0. Absolute error at most 2e-14 in float64 and 1e-5 in float32, for df from 1e-2.

    Source: DLMF 5.11.13, the series in powers of 1/df, for many df.
    """
    return elementwise(_log_peak, (_log_peak_slope,), df)


def _log_peak(df: Tensor) -> Tensor:
    many, few, v = _many_and_few(df)
    direct = (0.5 * few + 0.5).lgamma() - (0.5 * few).lgamma() - 0.5 * few.log()
    series = v * horner(_PEAK, v * v) - 0.5 * math.log(2)
    return torch.where(many, series, direct) - 0.5 * math.log(math.pi)


def _log_peak_slope(df: Tensor) -> Tensor:
    many, few, v = _many_and_few(df)
    direct = 0.5 * ((0.5 * few + 0.5).digamma() - (0.5 * few).digamma() - 1 / few)
    square = v * v
    return torch.where(many, -0.5 * square * horner(_PEAK_SLOPE, square), direct)


def _many_and_few(df: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return whether the series is used, df for the other formula, and 2/df for the series."""
    many = df >= _MANY
    return many, torch.where(many, 1.0, df), 2 / torch.where(many, df, _MANY)


def _stdtr_grad_df(df: Tensor, t: Tensor) -> Tensor:
    return -_density(df, t) * student_t_sample_grad(df, t)


def _student_t_density(df: Tensor, t: Tensor) -> Tensor:
    """Γ((df + 1)/2) / (√(π df) Γ(df/2)) · (1 + t²/df)^(−(df + 1)/2)."""
    return (_log_peak(df) - (df + 1) / 2 * (t * (t / df)).log1p()).exp()


def _density_grad_df(df: Tensor, t: Tensor) -> Tensor:
    """−∂(p D)/∂t, equal to ∂²F/∂t ∂df. The derivative of ln p would cancel for large df."""
    return _score(df, t) * -_stdtr_grad_df(df, t) - _student_t_density(df, t) * _SAMPLE_GRAD_SLOPES[1](df, t)


def _density_grad_t(df: Tensor, t: Tensor) -> Tensor:
    return -_score(df, t) * _density(df, t)


def _score(df: Tensor, t: Tensor) -> Tensor:
    """−∂(ln p)/∂t = (df + 1) t/(df + t²)."""
    ratio = t / df
    return (df + 1) * ratio / (1 + t * ratio)


_density = differentiable(_student_t_density, (_density_grad_df, _density_grad_t))


def _student_t_sample_grad(df: Tensor, t: Tensor) -> Tensor:
    k = STUDENT_T_FITS[df.dtype]
    few = df < 2 * k.steps
    s = torch.where(few, df + 2 * k.steps, df)

    ratio = t / df
    q, log = _square_and_log(df, t, ratio)
    c = 1 / (1 + q)
    leading = _leading_term(k, q, log)

    v = 1 / (s + k.b)
    raised = leading + _smooth_part(k, log, v) / s
    lowered = _lower_df(k, df, q * c, c, leading, raised, horner(k.kappa, v))
    grad = torch.where(few, lowered, raised) * ratio
    grad = torch.where(df == math.inf, 0 * t, grad)
    return torch.where(df > 0, grad, math.nan)


_SAMPLE_GRAD_SLOPES = tuple(
    derivative_of(_student_t_sample_grad, index, "the second derivative of a Student-t sample") for index in range(2)
)


def _stdtr(df: Tensor, t: Tensor) -> Tensor:
    k, dtype = BETA_RULES[df.dtype], df.dtype
    df, t = df.double(), t.double()
    q = (t * (t / df)).clamp(max=1e300)
    # w may underflow where w^(df/2) does not, so its logarithm is not computed from w
    root = t.abs() / df.sqrt()
    log = torch.where(q < _HUGE, -q.log1p(), -2 * root.log())
    w, other = 1 / (1 + q), q / (1 + q)
    tail = 0.5 * betainc_of_both(k, df / 2, torch.full_like(df, 0.5), w, other, log, other.log())
    tail = torch.where(t == 0, 0.5, torch.where(t.abs() == math.inf, 0.0, tail))
    value = torch.where(t > 0, 1 - tail, tail)
    value = torch.where(df == math.inf, 0.5 * (-t * math.sqrt(0.5)).erfc(), value)
    return torch.where((df > 0) & ~t.isnan(), value, math.nan).to(dtype)


def _square_and_log(df: Tensor, t: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """q = t²/df, limited to _HUGE, and ln(1 + q) without the limit."""
    q = (t * ratio).clamp(max=_HUGE)
    huge = q == _HUGE
    log = torch.where(huge, t.abs() / df.sqrt(), 1 + q).log()
    return q, torch.where(huge, 2 * log, log)


def _leading_term(k: StudentTFit, q: Tensor, log: Tensor) -> Tensor:
    """g. For q ≤ 2 the logarithm is 2 atanh(r) with r = q/(2 + q), so that nothing cancels."""
    r = q / (2 + q)
    square = r * r
    near = r + square * (1 + r) * horner(k.log, square)
    return -0.5 * torch.where(q <= 2, near, log + (log / q - 1))


def _smooth_part(k: StudentTFit, log: Tensor, v: Tensor) -> Tensor:
    """R. Its polynomials in v are independent of each other, so the processor evaluates them in parallel."""
    x = 1 / (1 + (log / 3).exp()) - 0.25
    total = x * horner(k.r[-1], v)
    for row in reversed(k.r[1:-1]):
        total = (total + horner(row, v)) * x
    return total + horner(k.r[0], v)


def _lower_df(k: StudentTFit, df: Tensor, w: Tensor, c: Tensor, leading: Tensor, d: Tensor, rest: Tensor) -> Tensor:
    """d(df) from d = d(df + 2 · steps) and rest = λ(df + 2 · steps), by the recurrence."""
    constant = w * leading
    for step in reversed(range(k.steps)):
        n = df + (2 * step + 2)
        d = constant - rest + ((n - 1) * c * d - 0.5 * w) / n
        if step > 0:
            rest = rest + 3 / ((df + (2 * step - 1)) * (df + 2 * step) * n)
    return d
