"""The schedules of the learning rate, as factors in closed form. No torch is imported, so that configs can name them."""

import math
from typing import Literal

Annealing = Literal["cosine", "none"]


def annealing_factor(annealing: Annealing, progress: float) -> float:
    """The factor of the learning rate.

    Args:
        annealing: "cosine": (1 + cos(π · progress)) / 2, which falls from 1 to 0 (Loshchilov & Hutter 2017). "none": 1.
        progress: share of the steps that are done, from 0 to 1.
    """
    return 0.5 * (1 + math.cos(math.pi * progress)) if annealing == "cosine" else 1.0
