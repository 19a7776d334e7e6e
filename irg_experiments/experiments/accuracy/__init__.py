"""Error and time of sample derivatives by every way to compute them: the paper's first table."""

from irg_experiments.experiments.accuracy.experiment import AccuracyExperiment

__all__ = ["AccuracyExperiment"]
