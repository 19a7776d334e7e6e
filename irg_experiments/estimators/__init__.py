"""Gradient estimators, one per file, all subclasses of ``Estimator``. ``configs/method`` names them by ``_target_``."""

from irg_experiments.estimators.base import Estimator, supports
from irg_experiments.estimators.finite_difference import FiniteDifference
from irg_experiments.estimators.generalized import Generalized
from irg_experiments.estimators.knowles import Knowles
from irg_experiments.estimators.measure_valued import MeasureValued
from irg_experiments.estimators.pathwise import Explicit, Implicit
from irg_experiments.estimators.pathwise_omt import PathwiseOMT
from irg_experiments.estimators.rsvi import RSVI
from irg_experiments.estimators.score_function import ScoreFunction

__all__ = [
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
