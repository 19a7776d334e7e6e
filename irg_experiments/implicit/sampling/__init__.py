"""Samplers that distributions share. They draw only; the gradient is attached by ``rule.py``.

torch draws Gamma and von Mises variables one by one on the CPU. Here every element makes a proposal at once, and only those
that are rejected draw again.
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
