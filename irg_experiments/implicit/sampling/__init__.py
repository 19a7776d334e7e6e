"""Samplers that distributions share. They only draw; ``rule.py`` attaches the gradient.

On the CPU, torch draws Gamma and von Mises variables one element at a time. These samplers propose all elements in one
vectorized pass and draw again only for those that are rejected.
"""

from irg_experiments.implicit.sampling.gamma import standard_gamma, standard_log_gamma
from irg_experiments.implicit.sampling.noise import standard_normal, standard_uniform
from irg_experiments.implicit.sampling.von_mises import standard_von_mises
from irg_experiments.implicit.sampling.von_mises_fisher import polar_angle

__all__ = [
    "polar_angle",
    "standard_gamma",
    "standard_log_gamma",
    "standard_normal",
    "standard_uniform",
    "standard_von_mises",
]
