"""Implicit reparameterization gradients: the rule, special functions and distributions. Imports torch alone."""

from irg_experiments.implicit import special
from irg_experiments.implicit.distributions import Beta, Dirichlet, Gamma
from irg_experiments.implicit.rule import implicit_sample, reparameterize

__all__ = ["Beta", "Dirichlet", "Gamma", "implicit_sample", "reparameterize", "special"]
