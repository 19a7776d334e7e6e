"""Estimators that move a standard variable with its parameter, and correct for the remaining dependence of the noise.

With z = T(ε, φ), where the distribution of ε may still depend on φ,

    ∇φ E[f(z)] = E[∇z f(z) ∇φ T] + E[(f(z) − b) ∇φ (log q_φ(T(ε, φ)) + log |∂T/∂ε|)],    ε held fixed.

The factor ∇φ T is the slope, the gradient in the second expectation the score. A method is these two numbers per draw (Naesseth
et al. 2017, equation 5; Ruiz et al. 2016, equation 6, both with b = 0). Where ε does not depend on φ the score is zero, and
this is reparameterization. The score has mean zero, so that any b independent of z, the baseline, leaves the gradient unbiased.
"""

import abc
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.estimators.base import Estimator
from irg_experiments.estimators.baseline import Baseline
from irg_experiments.estimators.standard import GAMMA_FAMILIES, standardize
from irg_experiments.estimators.surrogate import attach, weight


class Draw(NamedTuple):
    """Draws of a standard variable: ``value``, its derivative ``slope`` in the parameter, and the ``score`` unless zero."""

    value: Tensor
    slope: Tensor
    score: Tensor | None = None


class Reparameterized(Estimator):
    """E_q[f(z)] for functions of log-Gammas; a subclass gives the slope and the score of one log-Gamma.

    A subclass that lists ``td.VonMises`` among its families gives those of an angle as well. q may also be ``td.Independent``
    of one of the families.

    Attributes:
        baseline: b; a subclass with a score that lets the user choose it is ``Scored``, too.
    """

    baseline = Baseline()

    families: ClassVar[tuple[type[td.Distribution], ...]] = GAMMA_FAMILIES

    @abc.abstractmethod
    def draw_log_gamma(self, a: Tensor) -> Draw:
        """Draws log g for g ~ Gamma(a, 1); ``a`` carries no gradient."""

    def draw_angle(self, concentration: Tensor) -> Draw:
        """Draws angles from vM(0, κ); ``concentration``, κ, carries no gradient."""
        raise NotImplementedError(f"{type(self).__name__} cannot differentiate von Mises samples")

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``Estimator``."""
        standard = standardize(q)
        parameter = standard.parameter.expand(num_samples, *standard.parameter.shape)
        with torch.no_grad():
            draw = (self.draw_angle if standard.angular else self.draw_log_gamma)(parameter.detach())
        values = f(standard.sample(attach(draw.value, draw.slope, parameter)))
        if draw.score is not None:
            zero = standard.total(weight(draw.score, parameter))
            baseline = self.baseline(values.detach())
            values = values * (1 + zero)
            if baseline is not None:
                values = values - baseline * zero
        return values.mean(0)
