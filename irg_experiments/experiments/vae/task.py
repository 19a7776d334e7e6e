"""A VAE as the training loop sees it."""

import dataclasses
import inspect
import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irg_experiments.config.components import Component, build, check, check_makes, find
from irg_experiments.config.tree import ConfigTree
from irg_experiments.data import EpochOrder, ImageData, binarize
from irg_experiments.data.order import stream_seed
from irg_experiments.errors import UserError
from irg_experiments.experiments.choices import check_batch_size, check_estimate, check_kind, check_made, make_estimator
from irg_experiments.experiments.compared_estimators import ComparedEstimators
from irg_experiments.experiments.vae.config import VAEConfig
from irg_experiments.experiments.vae.pictures import pictures
from irg_experiments.experiments.vae.scores import bits, bound_terms, mean_bound, scores
from irg_experiments.models.common import Expectation
from irg_experiments.models.latents import Latent
from irg_experiments.models.objectives import Objective
from irg_experiments.models.vae import VAE
from irg_experiments.results.arrays import Arrays
from irg_experiments.training.annealing import annealing_factor
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.loop import Schedule, Selection, TrainingResult, train
from irg_experiments.training.optimizer import Adam
from irg_experiments.training.precision import check_precision, matmul_precision

log = logging.getLogger(__name__)

# training images in the learning curve where there are no validation images
WATCHED = 10_000


class VAETask:
    """See ``irg_experiments.training.loop.Task``.

    Args:
        config: of the experiment.
        device: where tensors are.
        compiled: whether training steps are compiled.
        tree: the option files.

    Raises:
        UserError: data, model, latent space and methods do not go together, or cannot be had.
    """

    def __init__(self, config: VAEConfig, device: torch.device, compiled: bool, tree: ConfigTree) -> None:
        self.config, self.training, self.device = config, config.training, device
        check_kind(config.data, ImageData, "images", "vae", tree)
        self._check_model()
        latent = self._latent()
        whose = f"latent={config.latent.name}"
        check_precision(config.precision, device)
        self.objective = _objective(config.objective, "objective")
        samples = self.training.num_samples
        self.estimator = make_estimator(
            config.method,
            latent.family,
            whose,
            tree,
            elementwise=False,
            objective=_demanding(self.objective, config.objective, "objective"),
            num_samples=samples,
        )
        self.method_label = self.estimator.label_for(latent.family)
        self.compared_objectives = {"": self.objective}  # by what is added to the names of their metrics
        demanding = _demanding(self.objective, config.objective, "objective")
        for option in config.gradient_variance.objectives:
            section = "gradient_variance.objectives"
            self.compared_objectives[f"_{option.name}"] = objective = _objective(option, section)
            demanding = demanding or _demanding(objective, option, section)
        self.compared = ComparedEstimators(config.gradient_variance, latent.family, whose, tree, demanding, samples)
        self.data: ImageData = build(config.data, "data")  # last, as it may take a download
        check_made(self.data, ImageData, config.data)
        check_batch_size(self.training.batch_size, len(self.data.train), "images")
        self._check_labels()
        self.model: VAE = build(config.model, "model", pixels=self.data.side**2, latent=latent).to(device)
        self.pixels = self.data.train.pixels.to(device)
        self.order = EpochOrder(len(self.pixels), self.training.batch_size, config.seed, device)
        # without validation images, training images take their place in the learning curve, and select nothing
        self.selects = len(self.data.validation) > 0
        watched = self.data.validation if self.selects else self.data.train.select(slice(WATCHED))
        self.validation = bits(watched.binarized().to(device))
        self.test = self.data.test.binarized().to(device)
        self.batch = bits(self.data.train.select(slice(self.training.batch_size)).binarized().to(device))
        check_estimate(config.method, self.estimator, self.model.posterior(self.batch), samples, device)
        self.parameters = list(self.model.parameters())
        self.optimizer = Adam(self.parameters, self.training.learning_rate)
        fixed = not self.estimator.has_state
        self.loss_and_grad = loss_and_grad(self._loss, self.parameters, compiled, device, fixed=fixed)

    def _check_model(self) -> None:
        model = self.config.model
        target = find(model, "model")
        if not (inspect.isclass(target) and issubclass(target, VAE)):
            raise UserError(f"experiment=vae takes a VAE, not model={model.name}.")
        check(model, "model", "pixels", "latent")

    def _latent(self) -> Latent:
        check_makes(self.config.latent, "latent", Latent)
        latent: Latent = build(self.config.latent, "latent")
        return latent

    def _check_labels(self) -> None:
        number, most = len(self.data.train), max(self.config.evaluation.knn_labels, default=0)
        if most > number:
            raise UserError(f"evaluation.knn_labels must be at most {number}, the number of training images, not {most}.")

    def train(self, directory: Path) -> TrainingResult:
        """Trains until the validation bound stops improving or the budget ends, and keeps the best state, or else the last."""
        t = self.training
        if t.steps <= t.kl_warmup_steps:
            log.warning(
                "training.kl_warmup_steps (%d) is not below training.steps (%d): the KL divergence never has its full weight, "
                "and the last state is scored. Add training.kl_warmup_steps=%d.",
                t.kl_warmup_steps,
                t.steps,
                t.steps // 6,
            )
        selection = Selection(t.patience, t.kl_warmup_steps) if self.selects else None
        schedule = Schedule(t.steps, t.log_every, t.evaluate_every, t.checkpoint_every, selection)
        result = train(self, schedule, self.config.seed, directory, self.device, self.config.profile)
        last = {"best_step": t.steps, "last_step": t.steps}
        return dataclasses.replace(result, metrics={**last, **result.metrics})

    def _loss(self, pixels: Tensor, kl_weight: Tensor) -> Tensor:
        expectation, num_samples = self.estimator.expectation, self.training.num_samples
        return -self.objective.bound(self.model, binarize(pixels), kl_weight, expectation, num_samples).mean()

    def training_step(self, step: int) -> Tensor:
        """See ``Task``."""
        t = self.training
        kl_weight = torch.tensor(min(step / t.kl_warmup_steps, 1.0) if t.kl_warmup_steps else 1.0, device=self.device)
        with matmul_precision(self.config.precision):
            loss, gradients = self.loss_and_grad(self.pixels.index_select(0, self.order.indices(step)), kl_weight)
            self.optimizer.update(gradients, t.learning_rate * annealing_factor(t.annealing, step / t.steps))
        return loss

    def evaluate(self, step: int) -> dict[str, float]:
        """The bound on the validation images, and the variance of the encoder's gradient by each compared method."""
        part = "validation" if self.selects else "training"
        terms = {f"{part}_{name}": value for name, value in self._bounds(self.validation).items()}
        # else the errors of the variances would be equal at all steps
        seed = stream_seed(self.config.seed, step)
        for suffix, objective in self.compared_objectives.items():
            loss = partial(self._batch_loss, objective)
            found = self.compared.variances(loss, list(self.model.encoder.parameters()), seed)
            terms |= {f"{name}{suffix}": value for name, value in found.items()}
        return terms

    def _bounds(self, x: Tensor) -> dict[str, float]:
        """What is trained first, as the loop selects by it; then the terms of the evidence lower bound."""
        return {**self._multi_sample_bound(x), **bound_terms(self.model, x)}

    def _multi_sample_bound(self, x: Tensor) -> dict[str, float]:
        if not self.objective.multi_sample:
            return {}
        return {"negative_bound": -mean_bound(self.objective, self.model, x, self.training.num_samples)}

    def _batch_loss(self, objective: Objective, expectation: Expectation) -> Tensor:
        """The loss of the first training images, binarised once, so that only the codes are random."""
        return -objective.bound(self.model, self.batch, 1.0, expectation, self.training.num_samples).mean()

    def scores(self) -> dict[str, float]:
        """Scores of the current state on the test images."""
        torch.manual_seed(self.config.seed)
        train_images = self.data.train.binarized().to(self.device)
        found = scores(self.model, train_images, self.test, self.config.evaluation)
        return found | {f"test_{name}": value for name, value in self._multi_sample_bound(bits(self.test)).items()}

    def arrays(self) -> Arrays:
        """What the figures are drawn from: see ``pictures``; and how the compared methods are called."""
        torch.manual_seed(self.config.seed)
        return {**pictures(self.model, self.test, self.data.side), **self.compared.names()}

    def state_dict(self) -> dict[str, Any]:
        """See ``Task``."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "estimator": self.estimator.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Task``."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.estimator.load_state_dict(state.get("estimator", {}))  # earlier versions wrote none


def _objective(option: Component, section: str) -> Objective:
    check_makes(option, section, Objective)
    objective: Objective = build(option, section)
    return objective


def _demanding(objective: Objective, option: Component, section: str) -> str | None:
    """What to call an objective that demands an estimator whose gradient flows through the samples alone."""
    return f"{section}={option.name}" if objective.pathwise else None
