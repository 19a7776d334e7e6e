"""Distributions in terms of standard variables of one parameter each: log-Gammas of unit rate, angles about zero.

A method states what it does to a standard variable; what follows is shared. Gamma, Beta and Dirichlet are functions of the
logarithms of independent Gammas, as everything there is done in log space: Gamma variables of small shape underflow.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.distributions as td
from torch import Tensor
from torch.nn.functional import log_softmax

from irg_experiments.implicit.distributions.beta import beta_from_log_gammas
from irg_experiments.implicit.distributions.dirichlet import softmax_from_largest
from irg_experiments.implicit.distributions.von_mises import wrapped

GAMMA_FAMILIES = (td.Gamma, td.Beta, td.Dirichlet)


class Standard(NamedTuple):
    """A distribution as a function of independent standard variables.

    Attributes:
        parameter: their parameters.
        sample: maps standard variables, of shape (num_samples, *parameter.shape), to samples; carries the gradient.
        dims: how many of the last dimensions of the standard variables belong to one value of f.
    """

    parameter: Tensor
    sample: Callable[[Tensor], Tensor]
    dims: int

    def total(self, x: Tensor) -> Tensor:
        """Sums over the standard variables that belong to one value of f."""
        return _sum_last(x, self.dims)


def base_of(q: td.Distribution) -> td.Distribution:
    """The distribution inside ``td.Independent``, or q itself."""
    return base_of(q.base_dist) if isinstance(q, td.Independent) else q


def gammas(q: td.Distribution) -> Standard:
    """Gamma, Beta, Dirichlet, or ``td.Independent`` of them, from log g_k with g_k ~ Gamma(parameter_k, 1).

    Samples are those of the package's distributions: Gamma no smaller than the smallest normal number, Beta inside (0, 1).

    Raises:
        NotImplementedError: any other distribution.
    """
    base = base_of(q)
    dims = 1 + _inner_dims(q)
    if isinstance(base, td.Dirichlet):
        return Standard(base.concentration, softmax_from_largest, dims)
    if isinstance(base, td.Beta):
        return Standard(_beta_concentrations(base), _beta_sample, dims)
    if isinstance(base, td.Gamma):
        return Standard(base.concentration.unsqueeze(-1), lambda log_gamma: _gamma_sample(base.rate, log_gamma), dims)
    raise NotImplementedError(f"{type(base).__name__} is not made of Gammas")


def log_prob_from_log_gammas(q: td.Distribution, log_gamma: Tensor) -> Tensor:
    """The log-density of the sample that ``gammas(q)`` makes of ``log_gamma``, with the sample itself held fixed.

    It takes the logarithm of the sample from ``log_gamma``, and is finite where the sample has underflowed.
    """
    base, log_gamma = base_of(q), log_gamma.detach()
    if isinstance(base, td.Gamma):
        log_prob = _gamma_log_prob(base, log_gamma.squeeze(-1))
    else:
        log_prob = _dirichlet_log_prob(gammas(base).parameter, log_softmax(log_gamma, -1))
    return _sum_last(log_prob, _inner_dims(q))


def angles(q: td.Distribution) -> Standard:
    """VonMises, or ``td.Independent`` of it, from angles y ~ vM(0, κ): z = loc + y, within [−π, π].

    Raises:
        NotImplementedError: any other distribution.
    """
    base = base_of(q)
    if not isinstance(base, td.VonMises):
        raise NotImplementedError(f"{type(base).__name__} is not a von Mises distribution")
    return Standard(base.concentration, lambda angle: wrapped(base.loc + angle), _inner_dims(q))


def _inner_dims(q: td.Distribution) -> int:
    """How many dimensions ``td.Independent`` has added to the event."""
    return len(q.event_shape) - len(base_of(q).event_shape)


def _sum_last(x: Tensor, dims: int) -> Tensor:
    return x.sum(tuple(range(-dims, 0))) if dims else x


def _gamma_sample(rate: Tensor, log_gamma: Tensor) -> Tensor:
    value = log_gamma.squeeze(-1).exp() / rate
    return value.clamp(min=torch.finfo(value.dtype).tiny)


def _beta_concentrations(q: td.Beta) -> Tensor:
    return torch.stack((q.concentration1, q.concentration0), -1)


def _beta_sample(log_gamma: Tensor) -> Tensor:
    return beta_from_log_gammas(*log_gamma.unbind(-1))


def _gamma_log_prob(q: td.Gamma, log_gamma: Tensor) -> Tensor:
    a, log_rate = q.concentration, q.rate.log()
    log_value = log_gamma - log_rate.detach()
    return a * log_rate + (a - 1) * log_value - q.rate * log_value.exp() - torch.lgamma(a)


def _dirichlet_log_prob(concentration: Tensor, log_value: Tensor) -> Tensor:
    normaliser = concentration.sum(-1).lgamma() - concentration.lgamma().sum(-1)
    return ((concentration - 1) * log_value).sum(-1) + normaliser
