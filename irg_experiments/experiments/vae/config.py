"""The config of experiment=vae."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from irg_experiments.config.components import Component, DataSet, Objectives
from irg_experiments.config.latent_space import LatentSpace
from irg_experiments.config.types import Count, Must, Natural, Positive, Precision
from irg_experiments.config.validation import Misfit, Section
from irg_experiments.experiments.gradient_variance import GradientVariance
from irg_experiments.experiments.protocol import TrainedConfig, TrainingConfig
from irg_experiments.training.annealing import Annealing

Counts = Annotated[list[Count], Must("a list of whole numbers of at least 1, such as [100, 600, 1000]")]


class Training(TrainingConfig):
    """How the model is trained; the items are images. Evaluations are those of the bound on the validation images.

    Without validation images the bound is that of training images, nothing ends training early, and the last state is scored.

    Attributes:
        kl_warmup_steps: during which the weight of the KL divergence grows linearly from 0 to 1.
        patience: evaluations in a row without improvement, after the warm-up, that end the training.
        learning_rate: of Adam, at the first step.
        annealing: of the learning rate.
        num_samples: codes per image and step.
    """

    kl_warmup_steps: Natural
    patience: Count
    learning_rate: Positive
    annealing: Annealing
    num_samples: Count


class Evaluation(Section):
    """How the trained model is scored.

    Attributes:
        nll_samples: of the importance-weighted likelihood, per image.
        nll_samples_more: of another estimate of it, less biased if they are more; 0 for none.
        knn_labels: how many training images have a label, for each nearest-neighbour accuracy.
        knn_neighbours: that vote; at most the smallest of ``knn_labels``.
        knn_draws: of the labelled images, over which the accuracy is averaged.
    """

    nll_samples: Count
    knn_labels: Counts
    knn_neighbours: Count
    knn_draws: Count
    nll_samples_more: Natural = 0


class VAEGradientVariance(GradientVariance):
    """What is measured of the encoder's gradient at every evaluation.

    Attributes:
        objectives: whose gradients' variance is measured at the same weights and by the same methods, besides that of the
            objective of training.
    """

    objectives: Objectives = Field(default=[])

    @model_validator(mode="after")
    def _by_some_method(self) -> Self:
        if self.objectives and not self.methods:
            raise Misfit("gradient_variance.objectives are measured by no method: add gradient_variance.methods=[implicit].")
        return self


# a default of the code, so that a run by it has the same hash as one that names no objective
ELBO = Component(_target_="irg_experiments.models.objectives.ELBO", name="elbo")


class VAEConfig(TrainedConfig):
    """The sections besides the keys that every experiment has.

    Attributes:
        model: a ``VAE``.
        latent: a ``Latent``.
        data: a function that returns ``ImageData``.
        method: an ``Estimator``.
        objective: an ``Objective``.
        training, evaluation, gradient_variance: see there.
        precision: of the matrix products of training; scores are always computed at the highest.
    """

    model: Component
    latent: LatentSpace
    data: DataSet
    method: Component
    objective: Component = ELBO
    training: Training
    evaluation: Evaluation
    gradient_variance: VAEGradientVariance
    precision: Precision = "highest"

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        e = self.evaluation
        if e.knn_labels and e.knn_neighbours > min(e.knn_labels):
            raise Misfit(
                f"evaluation.knn_neighbours must be at most {min(e.knn_labels)}, the smallest number of labelled images in "
                f"evaluation.knn_labels, not {e.knn_neighbours}."
            )
        return self

    def labels(self) -> tuple[str, ...]:
        """See ``ExperimentConfig``."""
        objective = () if self.objective.target == ELBO.target else (self.objective.name,)
        return self.data.name, self.latent.name, str(self.latent.dim), self.method.name, *objective
