"""A topic model as the training loop sees it, however it is trained."""

import abc
import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.config.components import build, check
from irg_experiments.config.tree import ConfigTree
from irg_experiments.data import BagOfWords, DocumentStream, TopicData
from irg_experiments.errors import UserError
from irg_experiments.experiments.choices import check_batch_size, check_kind, check_made
from irg_experiments.experiments.lda.config import LDAConfig
from irg_experiments.experiments.lda.quality import quality
from irg_experiments.experiments.lda.results import NEAR_ZERO, QUANTILES
from irg_experiments.models.topic_model import TopicModel
from irg_experiments.results.arrays import Arrays
from irg_experiments.training import distributed
from irg_experiments.training.loop import Schedule, TrainingResult, train

EVALUATION_BATCH = 512


class LDATask(abc.ABC):
    """The data, model and scores of every way of training; see ``irg_experiments.training.loop.Task``.

    Attributes:
        Model: the kind of model that is trained this way.
        Method: the kind of method that trains it.
        parallel: whether several processes can share the documents of a step.

    Args:
        config: of the experiment.
        device: where tensors are.
        compiled: whether training steps are compiled, where there is something to compile.
        tree: the option files.

    Raises:
        UserError: data, model and method do not go together, or cannot be had.
    """

    Model: ClassVar[type[TopicModel]]
    Method: ClassVar[type]
    parallel: ClassVar[bool] = False

    def __init__(self, config: LDAConfig, device: torch.device, compiled: bool, tree: ConfigTree) -> None:
        self.config, self.training, self.device = config, config.training, device
        check_kind(config.data, TopicData, "documents", "lda", tree)
        check(config.model, "model", "num_words")  # before the data are loaded, which may take a download
        self.data: TopicData = build(config.data, "data")
        check_made(self.data, TopicData, config.data)
        self.data.check(config.data.name)
        check_batch_size(self.training.batch_size, len(self.data.train), "documents")
        self.model: TopicModel = build(config.model, "model", num_words=len(self.data.train.vocabulary)).to(device)
        self._check_model()
        self.test = self.data.test.to(device)
        batch_size = self.training.batch_size
        self.stream = DocumentStream(self.data.train.to(device), batch_size, config.seed, distributed.part(batch_size))

    def _check_model(self) -> None:
        """Refuses a class whose parts do not fit together."""
        model, whose = self.model, self.config.model.target
        names = [name for name, _ in model.named_parameters()]
        for attribute in ("prior_parameters", "word_parameters"):
            for name in getattr(model, attribute):
                if name not in names:
                    raise UserError(f"{whose}.{attribute} has '{name}', but the parameters are {', '.join(names)}.")
        words, shape = len(self.data.train.vocabulary), tuple(model.topics().shape)
        if len(shape) != 2 or shape[0] != words:
            raise UserError(f"{whose}.topics() must have shape (V, K) with V = {words} words, not {shape}.")

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What tables call the method."""

    @abc.abstractmethod
    def training_step(self, step: int) -> Tensor:
        """See ``Task``."""

    def current(self) -> AbstractContextManager[None]:
        """Within it the model has all its parameters after the last step; between steps a part of them may lag behind."""
        return nullcontext()

    def train(self, directory: Path) -> TrainingResult:
        """Trains to the end of the budget."""
        t = self.training
        schedule = Schedule(t.steps, t.log_every, t.evaluate_every, t.checkpoint_every)
        return train(self, schedule, self.config.seed, directory, self.device, self.config.profile)

    def evaluate(self, step: int) -> dict[str, float]:
        """Perplexity, bound and divergence of the whole test set, from one sample of the topic weights per document."""
        with self.current():
            parts = [self._scores(batch) for batch in self.test.batches(EVALUATION_BATCH)]
        scores = {name: torch.cat([part[name] for part in parts]).double() for name in parts[0]}
        return self._metrics(scores)

    def _scores(self, batch: BagOfWords) -> dict[str, Tensor]:
        """What ``_metrics`` takes, of each document of a batch."""
        log_likelihood, kl = self.model.elbo(batch)
        near_zero = self._share_near_zero(self.model.posterior(batch))
        return {"log_likelihood": log_likelihood, "kl": kl, "lengths": batch.lengths, "near_zero": near_zero}

    def _metrics(self, scores: dict[str, Tensor]) -> dict[str, float]:
        kl, lengths = scores["kl"], scores["lengths"]
        elbo = scores["log_likelihood"] - kl
        return {
            "test_perplexity": exp((-elbo / lengths).mean().item()),
            "test_perplexity_corpus": exp(-(elbo.sum() / lengths.sum()).item()),
            "test_elbo": elbo.mean().item(),
            "test_kl": kl.mean().item(),
            "topic_weight_sparsity": scores["near_zero"].mean().item(),
        }

    def _share_near_zero(self, posterior: Distribution) -> Tensor:
        weights = self.model.topic_weights(posterior.sample())
        return (weights < NEAR_ZERO).float().mean(-1)

    def known_metrics(self) -> dict[str, float]:
        """What is known of generated data: the perplexity of the model that made them."""
        return {} if self.data.best_perplexity is None else {"true_model_perplexity": self.data.best_perplexity}

    @torch.no_grad()
    def quality(self) -> dict[str, float]:
        """Coherence of the topics on the test documents, their diversity, and how many of them a posterior sample uses."""
        return quality(self.model.topics().cpu().numpy(), self._sampled_weights(), self.data.test)

    def _sampled_weights(self) -> NDArray[np.floating]:
        """A posterior sample of the topic weights of each test document, (D, K), the same at each call."""
        torch.manual_seed(self.config.seed)
        with self.current():
            posteriors = map(self.model.posterior, self.test.batches(EVALUATION_BATCH))
            return torch.cat([self.model.topic_weights(posterior.sample()) for posterior in posteriors]).cpu().numpy()

    @torch.no_grad()
    def topics(self) -> Arrays:
        """What the figures are drawn from.

        ``topics`` (V, K); ``weights`` (K,), their mean weights over the test documents; ``weight_quantiles`` (3, K), the
        quantiles ``QUANTILES`` over the test documents of the weights of a posterior sample, sorted within each document;
        and ``vocabulary``.
        """
        with self.current():
            weights = [self.model.mean_topic_weights(batch) for batch in self.test.batches(EVALUATION_BATCH)]
        arrays = {"topics": self.model.topics().cpu().numpy(), "weights": torch.cat(weights).mean(0).cpu().numpy()}
        if self.data.topics is not None:
            arrays["true_topics"] = self.data.topics.cpu().numpy()
        if self.data.image_side is not None:
            arrays["image_side"] = torch.tensor(self.data.image_side).numpy()
        arrays["weight_quantiles"] = np.quantile(np.sort(self._sampled_weights())[:, ::-1], QUANTILES, axis=0)
        arrays["vocabulary"] = np.array(self.data.train.vocabulary)
        return arrays

    def state_dict(self) -> dict[str, Any]:
        """See ``Task``."""
        return {"model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Task``."""
        self.model.load_state_dict(state["model"])


def exp(value: float) -> float:
    """exp, infinite where it overflows."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
