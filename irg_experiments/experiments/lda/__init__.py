"""Topic models: test perplexity of latent Dirichlet allocation, the paper's table of perplexities."""

from irg_experiments.experiments.lda.experiment import LDAExperiment

__all__ = ["LDAExperiment"]
