"""The derivative of a Student-t sample with respect to its degrees of freedom, at fixed cumulative probability.

For T ~ t(n) with distribution function F(n, t) and density p(n, t),

    dt/dn = −(∂F/∂n) / p(n, t),

the quantity of Figurnov, Mohamed & Mnih (2018), with the CDF as standardization. With t = √n sinh y the
density of y is proportional to cosh⁻ⁿ y, and d = n (dt/dn)/t is a function of n and of q = t²/n = sinh² y alone, in
which every exponential cancels. Laplace's method gives its leading term, right in the tails as well, in ln(1 + q), the
variable of the expansion of Hill (1970),

    g(q) = (1 − (1 + 1/q) ln(1 + q)) / 2,    d(n, q) = g(q) + R(x, v) / n,
    x = 1 / (1 + (1 + q)^⅓) − 1/4,    v = 1 / (n + B),

where R is a polynomial in x and v. Both terms are negative, so that none of them cancels. As n grows, dt/dn → −(t +
t³)/(4n²), the derivative of the Cornish–Fisher expansion (Abramowitz & Stegun 26.7.5).

For n < 2 · steps the formula is used with N = n + 2 · steps in the place of n, and then ``steps`` times the recurrence
at fixed q

    d(n) = w g(q) − λ(n + 2) − w / (2 (n + 2)) + (n + 1)/(n + 2) · d(n + 2) / (1 + q),    w = q / (1 + q),
    λ(n + 2) = κ(n + 1) − 1 / (2 (n + 2)),    κ(n) = (ψ((n + 1)/2) − ψ(n/2)) / 2,
    λ(n) = λ(n + 2) + 3 / ((n − 1) n (n + 2)),

which is the derivative of DLMF 8.17.20 for 2 (1 − F) = I_{1−w}(n/2, 1/2). Again all terms are negative. It holds the
logarithm by which d grows in the tails of small n. λ(N), the largest one, is a polynomial in v. Every element passes
through both formulas.

The polynomials are least-squares fits, nearly minimax in the relative error of dt/dn, in high precision, over all n > 0
and |t| up to the quantile of tail probability 1e-13. The number of operations is the same for every element; among them
are one logarithm, one exponential and no other transcendental function.

Relative error of dt/dn for n between 0.3 and 1e4 and |t| up to the quantile of tail probability 1e-12: at most 5e-7 in
float32 and 4e-15 in float64, and not larger at n between 1e-2 and 1e10. Absolute error of F: 3e-8 and 2e-15.
"""

import math

import torch
from torch import Tensor

from irg_experiments.implicit.special._arithmetic import horner
from irg_experiments.implicit.special._beta_coefficients import BETA_RULES
from irg_experiments.implicit.special._elementwise import elementwise, not_implemented
from irg_experiments.implicit.special._student_t_coefficients import STUDENT_T_FITS, StudentTFit
from irg_experiments.implicit.special.beta import betainc_of_both

# above it 1 + 1/q is 1 in every precision, and q itself may overflow: ln q then comes from t/√n
_HUGE = 1e18


def student_t_sample_grad(df: Tensor, t: Tensor) -> Tensor:
    """dt/d(df) of a sample t of the Student-t distribution at fixed F(df, t), as in the module's docstring.

    Args:
        df: degrees of freedom, df > 0.
        t: the sample; broadcast with ``df``.

    Returns:
        The derivative, of the sign opposite to t; 0 at df = ∞, infinite for infinite t; NaN for df ≤ 0 and NaN. It cannot be
        differentiated itself: that raises NotImplementedError.
    """
    return elementwise(_student_t_sample_grad, _VALUES_ONLY, df, t)


def stdtr(df: Tensor, t: Tensor) -> Tensor:
    """The distribution function of Student's t at t, differentiable in df and t.

    Half of I_w(df/2, 1/2), w = df/(df + t²), or its complement (DLMF 8.17; Abramowitz & Stegun 26.7.1).

    Args:
        df: degrees of freedom, df > 0; at df = ∞ the distribution is normal.
        t: any real number; broadcast with ``df``.

    Returns:
        Values in [0, 1], accurate in the absolute sense; NaN for df ≤ 0 and NaN. float32 is computed in float64. Second
        derivatives that would differentiate ``student_t_sample_grad`` raise NotImplementedError.
    """
    return elementwise(_stdtr, (_stdtr_grad_df, _student_t_density), df, t)


_VALUES_ONLY = (not_implemented("the derivative of a Student-t sample"),) * 2


def _stdtr_grad_df(df: Tensor, t: Tensor) -> Tensor:
    return -_student_t_density(df, t) * student_t_sample_grad(df, t)


def _student_t_density(df: Tensor, t: Tensor) -> Tensor:
    """Γ((df + 1)/2) / (√(π df) Γ(df/2)) · (1 + t²/df)^(−(df + 1)/2)."""
    log_scale = ((df + 1) / 2).lgamma() - (df / 2).lgamma() - 0.5 * (math.pi * df).log()
    return (log_scale - (df + 1) / 2 * (t * (t / df)).log1p()).exp()


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


def _stdtr(df: Tensor, t: Tensor) -> Tensor:
    k, dtype = BETA_RULES[df.dtype], df.dtype
    df, t = df.double(), t.double()
    q = (t * (t / df)).clamp(max=1e300)
    # w may underflow where w^(df/2) does not, so that its logarithm does not come from w
    root = t.abs() / df.sqrt()
    log = torch.where(q < _HUGE, -q.log1p(), -2 * root.log())
    w, other = 1 / (1 + q), q / (1 + q)
    tail = 0.5 * betainc_of_both(k, df / 2, torch.full_like(df, 0.5), w, other, log, other.log())
    tail = torch.where(t == 0, 0.5, torch.where(t.abs() == math.inf, 0.0, tail))
    value = torch.where(t > 0, 1 - tail, tail)
    value = torch.where(df == math.inf, 0.5 * (-t * math.sqrt(0.5)).erfc(), value)
    return torch.where((df > 0) & ~t.isnan(), value, math.nan).to(dtype)


def _square_and_log(df: Tensor, t: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """q = t²/df, at most _HUGE, and ln(1 + q) without that limit."""
    q = (t * ratio).clamp(max=_HUGE)
    huge = q == _HUGE
    log = torch.where(huge, t.abs() / df.sqrt(), 1 + q).log()
    return q, torch.where(huge, 2 * log, log)


def _leading_term(k: StudentTFit, q: Tensor, log: Tensor) -> Tensor:
    """g. For q ≤ 2 its logarithm is the inverse hyperbolic tangent of r = q/(2 + q), which leaves nothing to cancel."""
    r = q / (2 + q)
    square = r * r
    near = r + square * (1 + r) * horner(k.log, square)
    return -0.5 * torch.where(q <= 2, near, log + (log / q - 1))


def _smooth_part(k: StudentTFit, log: Tensor, v: Tensor) -> Tensor:
    """R. Its polynomials in v are independent of each other, which keeps the processor busy."""
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
