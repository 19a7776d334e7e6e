"""The config of experiment=lda."""

from typing import Annotated

from irg_experiments.config.components import Component, DataSet
from irg_experiments.config.types import CONDUCT, Count, Natural, Positive
from irg_experiments.config.validation import Section
from irg_experiments.experiments.gradient_variance import GradientVariance
from irg_experiments.experiments.protocol import ExperimentConfig


class Training(Section):
    """How the model is trained.

    Attributes:
        steps: updates, each with one batch.
        prior_burn_in_steps: during which the prior is fixed.
        log_every: steps between two entries of the training loss.
        evaluate_every: steps between two evaluations of the test set.
        checkpoint_every: steps between two checkpoints.
        batch_size: documents per step.
        learning_rate: of Adam; null for a method without it.
        num_samples: samples of the topic weights per document and step; null for a method without samples.
    """

    steps: Count
    prior_burn_in_steps: Natural
    log_every: Annotated[Count, CONDUCT]
    evaluate_every: Count
    checkpoint_every: Annotated[Count, CONDUCT]
    batch_size: Count
    learning_rate: Positive | None
    num_samples: Count | None


class LDAConfig(ExperimentConfig):
    """The sections besides the keys that every experiment has.

    Attributes:
        model: a ``TopicModel``.
        data: a function that returns ``TopicData``.
        method: an ``Estimator``, or ``SVI`` for its model.
        training, gradient_variance: see there.
    """

    model: Component
    data: DataSet
    method: Component
    training: Training
    gradient_variance: GradientVariance = GradientVariance(methods=[], repeats=20)

    def labels(self) -> tuple[str, ...]:
        """See ``ExperimentConfig``."""
        return self.data.name, self.model.name, self.method.name
