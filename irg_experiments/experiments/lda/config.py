"""The config of experiment=lda."""

from typing import Self

from pydantic import model_validator

from irg_experiments.config.components import Component, DataSet
from irg_experiments.config.types import Count, Natural, Positive
from irg_experiments.config.validation import Misfit
from irg_experiments.experiments.gradient_variance import GradientVariance
from irg_experiments.experiments.protocol import TrainedConfig, TrainingConfig


class Training(TrainingConfig):
    """How the model is trained; the items are documents.

    Attributes:
        prior_burn_in_steps: during which the prior is fixed.
        learning_rate: of Adam; null for a method without it.
        num_samples: samples of the topic weights per document and step; null for a method without samples.
    """

    prior_burn_in_steps: Natural
    learning_rate: Positive | None
    num_samples: Count | None


class LDAConfig(TrainedConfig):
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

    @model_validator(mode="after")
    def _has_topics(self) -> Self:
        if self.model.options.get("topics", 1) is None:
            raise Misfit(
                f"data={self.data.name} recommends no number of topics: set one, such as model.topics=20, or write "
                "recommended: {topics: 20} into its file."
            )
        return self

    def labels(self) -> tuple[str, ...]:
        """See ``ExperimentConfig``."""
        return self.data.name, self.model.name, self.method.name
