"""Gradient estimators, one a file, all of the protocol in ``base.py``."""

from collections.abc import Callable

from irg_experiments.estimators.base import Estimator, supports
from irg_experiments.estimators.pathwise import Explicit, Implicit

# method name of the command line -> estimator; options of configs/method/<name>.yaml are its constructor's
ESTIMATORS: dict[str, Callable[..., Estimator]] = {"explicit": Explicit, "implicit": Implicit}

__all__ = ["ESTIMATORS", "Estimator", "Explicit", "Implicit", "supports"]
