"""Variational auto-encoders: test negative log-likelihood with normal and other codes, the paper's table for MNIST."""

from irg_experiments.experiments.vae.experiment import VAEExperiment

__all__ = ["VAEExperiment"]
