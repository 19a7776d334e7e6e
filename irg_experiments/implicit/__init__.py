"""Implicit reparameterization gradients: the rule, special functions and distributions. Requires torch only."""

from irg_experiments.implicit import distributions, special
from irg_experiments.implicit.compilation import set_compile
from irg_experiments.implicit.distributions import *  # noqa: F403
from irg_experiments.implicit.distributions.base import Reparameterizable, ReparameterizableByCDF
from irg_experiments.implicit.distributions.detached import detached
from irg_experiments.implicit.rule import implicit_sample, reparameterize

__all__ = [
    "Reparameterizable",
    "ReparameterizableByCDF",
    "detached",
    "implicit_sample",
    "reparameterize",
    "set_compile",
    "special",
    *distributions.__all__,
]
