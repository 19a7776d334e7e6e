"""Gradient estimators, one a file, all of the protocol in ``base.py``."""

from collections.abc import Callable

from irg_experiments.estimators.base import Estimator, supports
from irg_experiments.estimators.finite_difference import FiniteDifference
from irg_experiments.estimators.generalized import Generalized
from irg_experiments.estimators.knowles import Knowles
from irg_experiments.estimators.measure_valued import MeasureValued
from irg_experiments.estimators.pathwise import Explicit, Implicit
from irg_experiments.estimators.pathwise_omt import PathwiseOMT
from irg_experiments.estimators.rsvi import RSVI
from irg_experiments.estimators.score_function import ScoreFunction

# method name of the command line -> estimator; options of configs/method/<name>.yaml are its constructor's
ESTIMATORS: dict[str, Callable[..., Estimator]] = {
    "explicit": Explicit,
    "finite_difference": FiniteDifference,
    "generalized": Generalized,
    "implicit": Implicit,
    "knowles": Knowles,
    "measure_valued": MeasureValued,
    "pathwise_omt": PathwiseOMT,
    "rsvi": RSVI,
    "score_function": ScoreFunction,
}

__all__ = [
    "ESTIMATORS",
    "RSVI",
    "Estimator",
    "Explicit",
    "FiniteDifference",
    "Generalized",
    "Implicit",
    "Knowles",
    "MeasureValued",
    "PathwiseOMT",
    "ScoreFunction",
    "supports",
]
