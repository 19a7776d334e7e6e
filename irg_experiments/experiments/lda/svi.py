"""Latent Dirichlet allocation by stochastic variational inference: no samples, no estimator, no optimiser."""

import torch
from torch import Tensor

from irg_experiments.config.components import build
from irg_experiments.config.tree import ConfigTree
from irg_experiments.data import BagOfWords
from irg_experiments.errors import UserError
from irg_experiments.experiments.lda.config import LDAConfig
from irg_experiments.experiments.lda.task import LDATask, exp
from irg_experiments.implicit.distributions.dirichlet import Dirichlet
from irg_experiments.models.bag_of_words import mixture_log_likelihood
from irg_experiments.models.lda_svi import LDASVI
from irg_experiments.training.svi import SVI


class SVITask(LDATask):
    """See ``LDATask``; natural gradient steps, of which nothing is compiled.

    ``training.prior_burn_in_steps`` is the number of steps during which a learned prior keeps its initial values.

    A test document has a posterior of its own, by the coordinate ascent of training with the topics fixed. Such a posterior is
    usually closer than an encoder's, which favours this model where perplexities are compared. ``test_perplexity`` and the
    metrics that all models have take one sample of the topic weights, and the topics at their posterior mean. Beside them are

    - ``test_perplexity_bound``, exp(mean over documents of −bound_d / N_d), where bound_d has the expectations of log θ_d and
      log β in closed form, and no term for the divergence of the topics, whose posterior is that of training;
    - ``test_perplexity_bound_corpus``, exp(−(Σ bound_d − Σ_k KL(q(β_k) ‖ p(β_k))) / Σ N_d), which charges all of that
      divergence to the test words, as ``perplexity`` of scikit-learn's ``LatentDirichletAllocation`` does.
    """

    Model = LDASVI
    Method = SVI
    model: LDASVI

    def __init__(self, config: LDAConfig, device: torch.device, compiled: bool, tree: ConfigTree) -> None:
        self.method: SVI = build(config.method, "method")
        if config.training.learning_rate is not None or config.training.num_samples is not None:
            words = "training.learning_rate and training.num_samples have no meaning"
            raise UserError(f"{words} for method={config.method.name}: leave them out, or null.")
        if self.method.prior == "fixed" and config.training.prior_burn_in_steps:
            raise UserError("training.prior_burn_in_steps has no effect with method.prior=fixed: leave it out, or 0.")
        if config.gradient_variance.methods:
            raise UserError(f"gradient_variance.methods must be empty for model={config.model.name}, which has no encoder.")
        super().__init__(config, device, compiled, tree)

    @property
    def label(self) -> str:
        """See ``LDATask``."""
        return self.method.label

    def training_step(self, step: int) -> Tensor:
        """See ``Task``; the loss is the negative bound per document, without the divergence of the topics."""
        local = self.model.local_step(self.stream.batch(step))
        step_size = self.method.step_size(step)
        self.model.global_step(local, step_size, len(self.data.train))
        if self.method.prior == "learned" and step >= self.training.prior_burn_in_steps:
            self.model.prior_step(local, step_size)
        return -local.bound.mean()

    def _scores(self, batch: BagOfWords) -> dict[str, Tensor]:
        local = self.model.local_step(batch)
        posterior = Dirichlet(local.gamma, validate_args=False)
        log_likelihood = mixture_log_likelihood(batch, posterior.sample((1,)), self.model.topics()).squeeze(0)
        return {
            "log_likelihood": log_likelihood,
            "kl": self.model.kl(posterior),
            "lengths": batch.lengths,
            "near_zero": self._share_near_zero(posterior),
            "bound": local.bound,
        }

    def _metrics(self, scores: dict[str, Tensor]) -> dict[str, float]:
        bound, lengths = scores["bound"], scores["lengths"]
        return {
            **super()._metrics(scores),
            "test_perplexity_bound": exp((-bound / lengths).mean().item()),
            "test_perplexity_bound_corpus": exp(((self.model.topics_kl() - bound.sum()) / lengths.sum()).item()),
        }
