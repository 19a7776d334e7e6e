"""Distributions with implicit reparameterization gradients, drop-in for ``torch.distributions``."""

from irg_experiments.implicit.distributions.beta import Beta
from irg_experiments.implicit.distributions.dirichlet import Dirichlet
from irg_experiments.implicit.distributions.gamma import Gamma

__all__ = ["Beta", "Dirichlet", "Gamma"]
