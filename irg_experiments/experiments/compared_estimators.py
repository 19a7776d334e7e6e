"""Estimators that are compared during training, by the variance of their gradients for the same weights and batch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.config.components import Component
from irg_experiments.config.tree import ConfigTree
from irg_experiments.estimators import Estimator
from irg_experiments.experiments.choices import make_estimator
from irg_experiments.experiments.gradient_variance import VARIANCE, GradientVariance
from irg_experiments.models.common import Expectation
from irg_experiments.results.arrays import Arrays


class ComparedEstimators:
    """The estimators of ``gradient_variance.methods``.

    Args:
        settings: the section of the config.
        family: the distribution whose samples they must differentiate.
        whose: what has that distribution, for the message.
        tree: the option files.
        objective: what demands estimators whose gradient flows through the samples alone, for the message; None if nothing.
        num_samples: per value, which is checked.

    Raises:
        UserError: one of them cannot, needs more samples, or an option has a value that it cannot have.
    """

    def __init__(
        self,
        settings: GradientVariance,
        family: type[Distribution],
        whose: str,
        tree: ConfigTree,
        objective: str | None = None,
        num_samples: int | None = None,
    ) -> None:
        self.repeats, self.family = settings.repeats, family
        self.estimators: dict[str, Estimator] = {}
        for method in settings.methods:
            section = "gradient_variance.methods"
            estimator = make_estimator(
                method, family, whose, tree, section, elementwise=False, objective=objective, num_samples=num_samples
            )
            self.estimators[variance_metric(method, tree)] = estimator

    def __bool__(self) -> bool:
        return bool(self.estimators)

    def variances(self, loss: Callable[[Expectation], Tensor], parameters: Sequence[Tensor], seed: int) -> dict[str, float]:
        """The variance of the gradient of the loss in a parameter by each estimator, mean over the parameters; by metric.

        Args:
            loss: by an estimator's ``expectation``; nothing but its samples is random.
            parameters: those of the encoder.
            seed: of the samples.
        """
        torch.manual_seed(seed)
        found = {}
        for metric, estimator in self.estimators.items():
            objective = partial(loss, estimator.expectation)
            _begin(estimator, objective)
            found[metric] = gradient_variance(objective, parameters, self.repeats)
        return found

    def names(self) -> Arrays:
        """What figures call the estimators: their metrics, and their labels in the same order; nothing if there are none."""
        labels = [estimator.label_for(self.family) for estimator in self.estimators.values()]
        return {"variance_metrics": np.array(list(self.estimators)), "variance_labels": np.array(labels)} if labels else {}


@torch.enable_grad()
def _begin(estimator: Estimator, objective: Callable[[], Tensor]) -> None:
    """Lets a moving average begin with the loss at hand: what is measured depends on the parameters, not on earlier calls."""
    if estimator.has_state:
        estimator.load_state_dict({})
        objective()


@torch.enable_grad()
def gradient_variance(loss: Callable[[], Tensor], parameters: Sequence[Tensor], repeats: int) -> float:
    """The sample variance of each element of the gradient over repeated losses, mean over the elements.

    Source of the update, which keeps one gradient at a time: Welford (1962).
    """
    mean = squares = torch.zeros((), dtype=torch.float64)
    for number in range(1, repeats + 1):
        parts = torch.autograd.grad(loss(), parameters)
        gradient = torch.cat([part.flatten() for part in parts]).double()
        deviation = gradient - mean
        mean = mean + deviation / number
        squares = squares + deviation * (gradient - mean)
    return (squares / (repeats - 1)).mean().item()


def variance_metric(method: Component, tree: ConfigTree) -> str:
    """The metric of a method's gradient variance: named by the method, and by those options that differ from its file's."""
    usual: dict[str, Any] = tree.load("method", method.name) if method.name in tree.choices("method") else {}
    others = [f"{key}_{value}".lower() for key, value in method.options.items() if key not in usual or usual[key] != value]
    return VARIANCE + "_".join([method.name, *others])
