"""A control variate made of the implicit derivative itself, whose mean is known.

For g ~ Gamma(a, 1), log g has the mean ψ(a), the digamma function, so that s = ∂ log g/∂a has the mean ψ₁(a). Each of K samples
of f has the pathwise gradient u = (∂f/∂ log g) s, and for any c that is independent of the sample

    E[u − c (s − ψ₁(a))] = E[u].

The best c is the slope of the regression of u on s. Here it is that over the other K − 1 samples, which are independent:

    c_k = Σ_j (u_j − ū)(s_j − s̄) / (Σ_j (s_j − s̄)² + V),    j ≠ k,    V = ψ₁(a)² / (1 + 4a).

V is about the variance of s, exactly so for small and for large a. It keeps c small where few samples tell little.

Source: regression on a variate with known mean, Lavenberg & Welch (1981); known means of reparameterized gradients as variates,
Miller, Foti, D'Amour & Adams (2017).
"""

from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit.rule import first_order

# with one other sample there is no slope
LEAST_SAMPLES = 3


def controlled(log_gamma: Tensor, slope: Tensor, concentration: Tensor) -> Tensor:
    """Log-Gammas with the derivative ``slope`` in their concentration, less the control variate.

    Args:
        log_gamma: log g of K samples, (K, ...), independent along the first dimension.
        slope: ∂ log g/∂a, of the same shape.
        concentration: a, of the same shape; receives the gradient.

    Returns:
        A copy of ``log_gamma``. Each sample of f must depend on its own sample of log g alone. A second derivative raises
        NotImplementedError.
    """
    return _Controlled.apply(log_gamma.detach(), slope.detach(), concentration)


class _Controlled(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(log_gamma: Tensor, slope: Tensor, concentration: Tensor) -> Tensor:
        return log_gamma.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, slope, concentration = inputs
        ctx.save_for_backward(slope, concentration)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, None, Tensor]:
        slope, concentration = ctx.saved_tensors
        mean = torch.special.polygamma(1, concentration)
        gradient, variate = grad_outputs[0] * slope, slope - mean
        coefficient = _slope_of_others(gradient, variate, mean**2 / (1 + 4 * concentration))
        return None, None, first_order(gradient - coefficient * variate, concentration)


def _slope_of_others(y: Tensor, x: Tensor, ridge: Tensor) -> Tensor:
    """For each element of the first dimension, the slope of the regression of y on x over the others."""
    n = len(x) - 1
    mean_x, mean_y = _sum_of_others(x) / n, _sum_of_others(y) / n
    covariance = _sum_of_others(x * y) - n * mean_x * mean_y
    variance = (_sum_of_others(x * x) - n * mean_x * mean_x).clamp(min=0)
    return covariance / (variance + ridge)


def _sum_of_others(x: Tensor) -> Tensor:
    """Sums over the first dimension without the element itself, which is never added: an outlier would leave its rounding."""
    zero = torch.zeros_like(x[:1])
    before = torch.cat((zero, x[:-1].cumsum(0)))
    after = torch.cat((x[1:].flip(0).cumsum(0).flip(0), zero))
    return before + after
