"""A topic model as the training loop sees it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from irg_experiments.config.components import build, check
from irg_experiments.config.tree import ConfigTree
from irg_experiments.data import BagOfWords, DocumentStream, TopicData
from irg_experiments.experiments.choices import check_batch_size, check_kind, make_estimator
from irg_experiments.experiments.lda.config import LDAConfig
from irg_experiments.experiments.lda.results import NEAR_ZERO
from irg_experiments.models.topic_model import TopicModel
from irg_experiments.results.arrays import Arrays
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.loop import Schedule, TrainingResult, train
from irg_experiments.training.optimizer import adam, update

EVALUATION_BATCH = 512


class LDATask:
    """See ``irg_experiments.training.loop.Task``.

    Args:
        config: of the experiment.
        device: where tensors are.
        compiled: whether training steps are compiled.
        tree: the option files.

    Raises:
        UserError: data, model and method do not go together, or cannot be had.
    """

    def __init__(self, config: LDAConfig, device: torch.device, compiled: bool, tree: ConfigTree) -> None:
        self.config, self.training, self.device = config, config.training, device
        check_kind(config.data, TopicData, "documents", "lda", tree)
        check_kind(config.model, TopicModel, "a topic model", "lda", tree, "model")
        check(config.model, "model", "num_words")  # before the data are loaded, which may take a download
        check(config.method, "method")
        self.data: TopicData = build(config.data, "data")
        check_batch_size(self.training.batch_size, len(self.data.train), "documents")
        self.model: TopicModel = build(config.model, "model", num_words=len(self.data.train.vocabulary)).to(device)
        self.estimator = make_estimator(config.method, self.model.family, f"model={config.model.name}", tree, elementwise=False)
        self.test = self.data.test.to(device)
        self.stream = DocumentStream(self.data.train.to(device), self.training.batch_size, config.seed)
        names, parameters = zip(*self.model.named_parameters(), strict=True)
        self.parameters: list[Tensor] = list(parameters)
        self.waiting = [name in self.model.prior_parameters for name in names]
        self.optimizer = adam(self.parameters, self.training.learning_rate)
        self.loss_and_grad = loss_and_grad(self._loss, self.parameters, compiled, device, varying=lambda batch: batch.varying)

    def train(self, directory: Path) -> TrainingResult:
        """Trains to the end of the budget."""
        t = self.training
        schedule = Schedule(t.steps, t.log_every, t.evaluate_every, t.checkpoint_every)
        return train(self, schedule, self.config.seed, directory, self.device)

    def _loss(self, batch: BagOfWords) -> Tensor:
        terms = self.model.elbo(batch, self.estimator.expectation, self.training.num_samples)
        return (terms.kl - terms.log_likelihood).mean()

    def training_step(self, step: int) -> Tensor:
        """See ``Task``."""
        loss, gradients = self.loss_and_grad(self.stream.batch(step))
        frozen = step < self.training.prior_burn_in_steps
        pairs = zip(self.waiting, gradients, strict=True)
        update(self.optimizer, [None if frozen and waits else gradient for waits, gradient in pairs])
        return loss

    def evaluate(self, step: int) -> dict[str, float]:
        """Perplexity, bound and divergence of the whole test set, from one sample of the topic weights per document."""
        parts = [
            (*self.model.elbo(batch), batch.lengths, self._share_near_zero(batch))
            for batch in self.test.batches(EVALUATION_BATCH)
        ]
        log_likelihood, kl, lengths, near_zero = (torch.cat(part).double() for part in zip(*parts, strict=True))
        elbo = log_likelihood - kl
        return {
            "test_perplexity": _exp((-elbo / lengths).mean().item()),
            "test_perplexity_corpus": _exp(-(elbo.sum() / lengths.sum()).item()),
            "test_elbo": elbo.mean().item(),
            "test_kl": kl.mean().item(),
            "topic_weight_sparsity": near_zero.mean().item(),
        }

    def _share_near_zero(self, batch: BagOfWords) -> Tensor:
        weights = self.model.topic_weights(self.model.posterior(batch).sample())
        return (weights < NEAR_ZERO).float().mean(-1)

    def known_metrics(self) -> dict[str, float]:
        """What is known of generated data: the perplexity of the model that made them."""
        return {} if self.data.best_perplexity is None else {"true_model_perplexity": self.data.best_perplexity}

    @torch.no_grad()
    def topics(self) -> Arrays:
        """What the figures are drawn from: topics (V, K), their mean weights over the test documents (K,), the vocabulary."""
        weights = [self.model.mean_topic_weights(batch) for batch in self.test.batches(EVALUATION_BATCH)]
        arrays = {"topics": self.model.topics().cpu().numpy(), "weights": torch.cat(weights).mean(0).cpu().numpy()}
        if self.data.topics is not None:
            arrays["true_topics"] = self.data.topics.cpu().numpy()
        if self.data.image_side is not None:
            arrays["image_side"] = torch.tensor(self.data.image_side).numpy()
        arrays["vocabulary"] = np.array(self.data.train.vocabulary)
        return arrays

    def state_dict(self) -> dict[str, Any]:
        """See ``Task``."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Task``."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def _exp(value: float) -> float:
    """exp, infinite where it overflows."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
