"""Distributions as functions of standard variables with one parameter each: log-Gammas of unit rate, and angles about zero.

A method states how it differentiates a standard variable; everything after that is shared. Gamma, Beta and Dirichlet are
functions of the logarithms of independent Gammas: in log space, because Gamma variables of small shape underflow.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.distributions as td
from torch import Tensor
from torch.nn.functional import log_softmax

from irg_experiments.estimators.dispatch import FamilyDispatch
from irg_experiments.implicit.distributions.beta import beta_from_log_gammas
from irg_experiments.implicit.distributions.dirichlet import softmax_from_largest
from irg_experiments.implicit.distributions.von_mises import wrapped

GAMMA_FAMILIES = (td.Gamma, td.Beta, td.Dirichlet)


class Standard(NamedTuple):
    """A distribution as a function of independent standard variables.

    Attributes:
        parameter: of the standard variables: the shapes a of log g with g ~ Gamma(a, 1), or the κ of angles y ~ vM(0, κ).
        sample: maps standard variables, of shape (num_samples, *parameter.shape), to samples; carries the gradient.
        dims: how many of the last dimensions of the standard variables belong to one value of f.
        angular: True for angles, False for log-Gammas.
    """

    parameter: Tensor
    sample: Callable[[Tensor], Tensor]
    dims: int
    angular: bool = False

    def total(self, x: Tensor) -> Tensor:
        """Sums over the standard variables that belong to one value of f."""
        return _sum_last(x, self.dims)


def base_of(q: td.Distribution) -> td.Distribution:
    """The distribution inside ``td.Independent``, or q itself."""
    return base_of(q.base_dist) if isinstance(q, td.Independent) else q


def standardize(q: td.Distribution) -> Standard:
    """Gamma, Beta, Dirichlet or von Mises, or ``td.Independent`` of them, as a function of standard variables.

    Samples have the range of the package's distributions: Gamma at least the smallest normal number, Beta inside (0, 1), von
    Mises within [−π, π].

    Raises:
        NotImplementedError: any other distribution.
    """
    standard = _standardize(base_of(q))
    return standard._replace(dims=standard.dims + _inner_dims(q))


def log_prob_from_log_gammas(q: td.Distribution, log_gamma: Tensor) -> Tensor:
    """The log-density of the sample that ``standardize(q)`` makes of ``log_gamma``, with the sample itself held fixed.

    The logarithm of the sample is computed from ``log_gamma``, so the result is finite where the sample has underflowed.

    Raises:
        NotImplementedError: q is not made of Gammas.
    """
    return _sum_last(_log_prob(base_of(q), log_gamma.detach()), _inner_dims(q))


@FamilyDispatch
def _standardize(q: td.Distribution) -> Standard:
    raise NotImplementedError(f"{type(q).__name__} is not a Gamma, Beta, Dirichlet or von Mises distribution")


@_standardize.register
def _(q: td.Dirichlet) -> Standard:
    return Standard(q.concentration, softmax_from_largest, dims=1)


@_standardize.register
def _(q: td.Beta) -> Standard:
    return Standard(_beta_concentrations(q), lambda log_gamma: beta_from_log_gammas(*log_gamma.unbind(-1)), dims=1)


@_standardize.register
def _(q: td.Gamma) -> Standard:
    return Standard(q.concentration.unsqueeze(-1), lambda log_gamma: _gamma_sample(q.rate, log_gamma), dims=1)


@_standardize.register
def _(q: td.VonMises) -> Standard:
    return Standard(q.concentration, lambda angle: wrapped(q.loc + angle), dims=0, angular=True)


@FamilyDispatch
def _log_prob(q: td.Distribution, log_gamma: Tensor) -> Tensor:
    raise NotImplementedError(f"{type(q).__name__} is not a Gamma, Beta or Dirichlet distribution")


@_log_prob.register
def _(q: td.Dirichlet, log_gamma: Tensor) -> Tensor:
    return _dirichlet_log_prob(q.concentration, log_gamma)


@_log_prob.register
def _(q: td.Beta, log_gamma: Tensor) -> Tensor:
    return _dirichlet_log_prob(_beta_concentrations(q), log_gamma)


@_log_prob.register
def _(q: td.Gamma, log_gamma: Tensor) -> Tensor:
    a, log_rate = q.concentration, q.rate.log()
    log_value = log_gamma.squeeze(-1) - log_rate.detach()
    return a * log_rate + (a - 1) * log_value - q.rate * log_value.exp() - torch.lgamma(a)


def _inner_dims(q: td.Distribution) -> int:
    """How many batch dimensions ``td.Independent`` has turned into event dimensions."""
    return len(q.event_shape) - len(base_of(q).event_shape)


def _sum_last(x: Tensor, dims: int) -> Tensor:
    return x.sum(tuple(range(-dims, 0))) if dims else x


def _gamma_sample(rate: Tensor, log_gamma: Tensor) -> Tensor:
    value = log_gamma.squeeze(-1).exp() / rate
    return value.clamp(min=torch.finfo(value.dtype).tiny)


def _beta_concentrations(q: td.Beta) -> Tensor:
    return torch.stack((q.concentration1, q.concentration0), -1)


def _dirichlet_log_prob(concentration: Tensor, log_gamma: Tensor) -> Tensor:
    normaliser = concentration.sum(-1).lgamma() - concentration.lgamma().sum(-1)
    return ((concentration - 1) * log_softmax(log_gamma, -1)).sum(-1) + normaliser
