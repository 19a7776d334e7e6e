"""How the learning rate falls in the course of training."""

import math
from collections.abc import Callable

from irg_experiments.config import unknown
from irg_experiments.errors import UserError

Annealing = Callable[[float], float]

ANNEALINGS: dict[str, Annealing] = {
    # (1 + cos πt)/2, from 1 to 0 (Loshchilov & Hutter 2017)
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "none": lambda progress: 1.0,
}


def make_annealing(name: str) -> Annealing:
    """The factor of the learning rate as a function of the share of the steps that are done, 0 to 1.

    Raises:
        UserError: an unknown name.
    """
    if name not in ANNEALINGS:
        raise UserError(unknown("annealing", name, sorted(ANNEALINGS)))
    return ANNEALINGS[name]
