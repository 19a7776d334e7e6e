"""A topic model with an amortised posterior, trained by an estimator's gradients of the evidence lower bound."""

import logging
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irg_experiments.config.components import returned_type
from irg_experiments.config.tree import ConfigTree
from irg_experiments.data import BagOfWords
from irg_experiments.data.order import stream_seed
from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator
from irg_experiments.experiments.choices import check_estimate, make_estimator
from irg_experiments.experiments.compared_estimators import ComparedEstimators
from irg_experiments.experiments.lda.config import LDAConfig
from irg_experiments.experiments.lda.task import LDATask
from irg_experiments.experiments.lda.updates import Updates, mean_loss, reads_few_rows
from irg_experiments.models.common import Expectation
from irg_experiments.models.topic_model import TopicModel
from irg_experiments.results.arrays import Arrays
from irg_experiments.training import distributed
from irg_experiments.training.loop import TrainingResult

log = logging.getLogger(__name__)


class GradientTask(LDATask):
    """See ``LDATask``; Adam with the gradients of the config's ``Estimator``."""

    Model = TopicModel
    Method = Estimator
    parallel = True

    def __init__(self, config: LDAConfig, device: torch.device, compiled: bool, tree: ConfigTree) -> None:
        family, whose = returned_type(config.model, "model").family, f"model={config.model.name}"
        training = config.training
        samples = training.num_samples
        self.estimator = make_estimator(config.method, family, whose, tree, elementwise=False, num_samples=samples)
        self.compared = ComparedEstimators(config.gradient_variance, family, whose, tree, num_samples=samples)
        if self.estimator.has_state:
            distributed.require_one_process(f"method={config.method.name} with a moving average")
        if training.learning_rate is None or training.num_samples is None:
            missing = "learning_rate" if training.learning_rate is None else "num_samples"
            raise UserError(f"training.{missing} must be a number for {whose}, not null.")
        if training.batch_size < (least := distributed.size()):
            raise UserError(f"training.batch_size must be at least {least}, one per process, not {training.batch_size}.")
        self.num_samples = training.num_samples
        super().__init__(config, device, compiled, tree)
        self.watched = self.stream.corpus.slice(0, training.batch_size)
        check_estimate(config.method, self.estimator, self.model.posterior(self.watched), self.num_samples, device)
        self.updates = Updates(
            self.model,
            self.estimator,
            training.num_samples,
            training.learning_rate,
            device.type == "cpu" and reads_few_rows(self.data.train, training.batch_size),
            compiled,
            device,
            len(distributed.part(training.batch_size)) / training.batch_size,
        )

    @property
    def label(self) -> str:
        """See ``LDATask``."""
        return self.estimator.label

    def train(self, directory: Path) -> TrainingResult:
        """See ``LDATask``."""
        if distributed.size() > 1:
            megabytes = self.updates.exchanged_bytes(self.stream.batch(0)) / 1e6
            log.info("%d processes; each sends %.2f MB of gradients in the first step.", distributed.size(), megabytes)
        return super().train(directory)

    def _loss_by(self, expectation: Expectation, batch: BagOfWords) -> Tensor:
        return mean_loss(self.model.elbo(batch, expectation, self.num_samples))

    def training_step(self, step: int) -> Tensor:
        """See ``Task``."""
        return self.updates.step(self.stream.batch(step), step < self.training.prior_burn_in_steps)

    def current(self) -> AbstractContextManager[None]:
        """See ``LDATask``."""
        return self.updates.current()

    def evaluate(self, step: int) -> dict[str, float]:
        """See ``LDATask``; and the variance of the encoder's gradient by each compared method, for the first documents."""
        metrics = super().evaluate(step)
        if not self.compared:
            return metrics
        seed = stream_seed(self.config.seed, step)  # else the errors of the variances would be equal at all steps
        loss = partial(self._loss_by, batch=self.watched)
        with self.current():
            return {**metrics, **self.compared.variances(loss, self.encoder_parameters(), seed)}

    @torch.enable_grad()
    def encoder_parameters(self) -> list[Tensor]:
        """Those that a posterior depends on."""
        parameters = list(self.model.parameters())
        mean = self.model.posterior(self.watched).mean.sum()
        gradients = torch.autograd.grad(mean, parameters, allow_unused=True)
        return [parameter for parameter, gradient in zip(parameters, gradients, strict=True) if gradient is not None]

    def topics(self) -> Arrays:
        """See ``LDATask``; and how the compared methods are called."""
        return {**super().topics(), **self.compared.names()}

    def state_dict(self) -> dict[str, Any]:
        """See ``Task``."""
        return self.updates.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Task``."""
        self.updates.load_state_dict(state)
