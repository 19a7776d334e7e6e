"""The section ``search`` of a sweep's file."""

from irg_experiments.config.types import Count, Seed
from irg_experiments.config.validation import Section


class Search(Section):
    """How values are searched for that minimise the validation metric.

    Attributes:
        trials: runs in all.
        parallel: runs at a time, whose values are chosen together.
        seed: of the choices; with ``parallel`` it makes them the same at each repetition.
    """

    trials: Count
    parallel: Count = 1
    seed: Seed = 0
