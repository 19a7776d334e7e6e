"""The experiments: config in, record out."""

from irg_experiments.experiments.runner import run_experiment

__all__ = ["run_experiment"]
