"""Variance of gradient estimators on cross-entropies with a known gradient: the paper's toy Dirichlet and von Mises."""

from irg_experiments.experiments.cross_entropy.experiment import CrossEntropyExperiment

__all__ = ["CrossEntropyExperiment"]
