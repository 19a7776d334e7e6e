"""Estimators that move a standard variable with its parameter, and correct for what the movement leaves behind.

With z = T(ε, φ), where the distribution of ε may still depend on φ,

    ∇φ E[f(z)] = E[∇z f(z) ∇φ T] + E[f(z) ∇φ (log q_φ(T(ε, φ)) + log |∂T/∂ε|)],    ε held fixed.

The first bracket is the slope, the second the score. A method is these two numbers at a draw (Naesseth et al. 2017, equation 5;
Ruiz et al. 2016, equation 6). Where ε is free of φ there is no score, and this is reparameterization.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.estimators.standard import GAMMA_FAMILIES, angles, base_of, gammas
from irg_experiments.estimators.surrogate import attach, weight


class Draw(NamedTuple):
    """Draws of a standard variable: ``value`` with d value/dφ = ``slope``, and the ``score`` unless it is zero."""

    value: Tensor
    slope: Tensor
    score: Tensor | None = None


class Reparameterized:
    """E_q[f(z)] for functions of log-Gammas; a subclass states the slope and the score of one.

    q may also be ``td.Independent`` of one of the families.
    """

    distributions: tuple[type[td.Distribution], ...] = GAMMA_FAMILIES

    def draw_log_gamma(self, a: Tensor) -> Draw:
        """Draws log g for g ~ Gamma(a, 1); ``a`` carries no gradient."""
        raise NotImplementedError

    def draw_angle(self, concentration: Tensor) -> Draw:
        """Draws angles from vM(0, κ); ``concentration`` carries no gradient."""
        raise NotImplementedError(f"{type(self).__name__} cannot differentiate von Mises samples")

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``irg_experiments.estimators.base.Estimator``."""
        circular = isinstance(base_of(q), td.VonMises)
        standard = angles(q) if circular else gammas(q)
        parameter = standard.parameter.expand(num_samples, *standard.parameter.shape)
        with torch.no_grad():
            draw = (self.draw_angle if circular else self.draw_log_gamma)(parameter.detach())
        values = f(standard.sample(attach(draw.value, draw.slope, parameter)))
        if draw.score is not None:
            values = values * (1 + standard.total(weight(draw.score, parameter)))
        return values.mean(0)
