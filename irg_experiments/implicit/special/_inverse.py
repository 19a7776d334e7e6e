"""Turn an iteration and the derivatives of its solution into a torch function: the inverses of distribution functions.

The solution x of F(x; φ) = p is found without derivatives, by a start and a fixed number of steps, each a formula that runs as
machine code. Its derivatives are those of the implicit rule (Figurnov, Mohamed & Mnih 2018), dx/dp = 1/(∂F/∂x) and
dx/dφ = −(∂F/∂φ)/(∂F/∂x), evaluated at the solution: nothing is differentiated through the iteration.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit._autograd import apply, eager, is_differentiated
from irg_experiments.implicit._kernel_cache import Formula
from irg_experiments.implicit.compilation import evaluate
from irg_experiments.implicit.special._elementwise import (
    Partials,
    _Elementwise,
    _ForwardModeElementwise,
    kept,
    promoted,
)


def inverse(solver: Callable[..., Tensor], partials: Sequence[Formula], *arguments: Tensor | float) -> Tensor:
    """Evaluate ``solver(*arguments)``, differentiable in each argument by given partial derivatives of the solution.

    Args:
        solver: computes the solution from tensors of one shape and one dtype, float32 or float64.
        partials: the partial derivative of the solution by each argument, as a function of all arguments and the solution.
            Second derivatives differentiate it, so it consists of differentiable operations, or raises. Those that one formula
            computes are given by ``components``.
        arguments: tensors that broadcast, at least one, and numbers. The tensors are promoted to one dtype; float16 and
            bfloat16 are computed in float32.

    Returns:
        The solution, of the broadcast shape and the promoted dtype.

    Raises:
        TypeError: no argument is a tensor.
    """
    return promoted(functools.partial(_inverse, solver, partials), *arguments)


def _inverse(solver: Callable[..., Tensor], partials: Sequence[Formula], *arguments: Tensor) -> Tensor:
    if not is_differentiated():
        return solver(*arguments)
    return apply(_Inverse, _ForwardModeInverse, _EagerInverse, solver, kept(partials), *arguments)


def iterate(step: Formula, count: int, arguments: Sequence[Tensor], start: Tensor) -> Tensor:
    """Apply ``step(*arguments, x)`` to x ``count`` times, from ``start``; each step is one pass of machine code."""
    x = start
    for _ in range(count):
        x = evaluate(step, (*arguments, x))
    return x


def log_both(p: Tensor) -> tuple[Tensor, Tensor]:
    """ln p and ln(1 − p) in float64; where p is not in (0, 1), those of 1/2, so that the iteration stays finite."""
    p = p.double()
    p = torch.where((p > 0) & (p < 1), p, 0.5)
    return p.log(), (-p).log1p()


def normal_quantile(log_p: Tensor, log_q: Tensor) -> Tensor:
    """The standard normal quantile from the logarithms of p and 1 − p, with an absolute error of 5e-4.

    Source: Abramowitz & Stegun 26.2.23.
    """
    t = (-2 * torch.minimum(log_p, log_q)).sqrt()
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    bottom = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    size = t - top / bottom
    return torch.where(log_p < log_q, -size, size)


def halley(newton: Tensor, bend: Tensor) -> Tensor:
    """Halley's step from Newton's, −g/g′, and bend = g″/g′; at least half and at most twice Newton's."""
    return newton / (1 + 0.5 * newton * bend).clamp(0.5, 2.0)


def edges(p: Tensor, valid: Tensor, x: Tensor, at_zero: float, at_one: float) -> Tensor:
    """The solution x, in the dtype of p, with its values at p = 0 and p = 1, and NaN where p or the parameters are invalid."""
    x = torch.where(p == 0, at_zero, torch.where(p == 1, at_one, x.to(p.dtype)))
    return torch.where(valid & (p >= 0) & (p <= 1), x, math.nan)


class _Inverse(_Elementwise):
    """As ``_Elementwise``, except that the partial derivatives take the solution after the arguments."""

    @staticmethod
    def forward(solver: Callable[..., Tensor], partials: tuple[Formula, ...] | Partials, *arguments: Tensor) -> Tensor:
        return solver(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.partials, *arguments = inputs
        ctx.save_for_backward(*arguments, output)
        ctx.save_for_forward(*arguments, output)


class _ForwardModeInverse(_Inverse, _ForwardModeElementwise):
    """``_Inverse`` with forward mode."""


_EagerInverse = eager(_ForwardModeInverse)
