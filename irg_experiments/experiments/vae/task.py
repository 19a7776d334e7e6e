"""A VAE as the training loop sees it."""

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irg_experiments.config.components import build, check, check_makes, find
from irg_experiments.config.tree import ConfigTree
from irg_experiments.data import EpochOrder, ImageData, binarize
from irg_experiments.data.order import stream_seed
from irg_experiments.errors import UserError
from irg_experiments.experiments.choices import check_batch_size, check_kind, make_estimator
from irg_experiments.experiments.compared_estimators import ComparedEstimators
from irg_experiments.experiments.vae.config import VAEConfig
from irg_experiments.experiments.vae.pictures import pictures
from irg_experiments.experiments.vae.scores import bits, bound_terms, scores
from irg_experiments.models.common import Expectation
from irg_experiments.models.latents import Latent
from irg_experiments.models.vae import VAE
from irg_experiments.results.arrays import Arrays
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.loop import Schedule, Selection, TrainingResult, train
from irg_experiments.training.optimizer import adam, annealed, update


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
        samples = self.training.num_samples
        self.estimator = make_estimator(config.method, latent.family, whose, tree, elementwise=False, num_samples=samples)
        self.method_label = self.estimator.label_for(latent.family)
        self.compared = ComparedEstimators(config.gradient_variance, latent.family, whose, tree, samples)
        self.data: ImageData = build(config.data, "data")  # last, as it may take a download
        check_batch_size(self.training.batch_size, len(self.data.train), "images")
        self._check_labels()
        self.model: VAE = build(config.model, "model", pixels=self.data.side**2, latent=latent).to(device)
        self.pixels = self.data.train.pixels.to(device)
        self.order = EpochOrder(len(self.pixels), self.training.batch_size, config.seed, device)
        self.validation = bits(self.data.validation.binarized().to(device))
        self.test = self.data.test.binarized().to(device)
        self.watched = bits(self.data.train.select(slice(self.training.batch_size)).binarized().to(device))
        self.parameters = list(self.model.parameters())
        self.optimizer = adam(self.parameters, self.training.learning_rate)
        self.schedule = annealed(self.optimizer, self.training.annealing, self.training.steps)
        self.loss_and_grad = loss_and_grad(self._loss, self.parameters, compiled, device)

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
        """Trains until the validation bound stops improving or the budget ends, and keeps the best state."""
        t = self.training
        selection = Selection(t.patience, t.kl_warmup_steps)
        schedule = Schedule(t.steps, t.log_every, t.evaluate_every, t.checkpoint_every, selection)
        return train(self, schedule, self.config.seed, directory, self.device)

    def _loss(self, pixels: Tensor, kl_weight: Tensor) -> Tensor:
        return -self.model.bound(binarize(pixels), kl_weight, self.estimator.expectation, self.training.num_samples).mean()

    def training_step(self, step: int) -> Tensor:
        """See ``Task``."""
        t = self.training
        kl_weight = torch.tensor(min(step / t.kl_warmup_steps, 1.0) if t.kl_warmup_steps else 1.0, device=self.device)
        loss, gradients = self.loss_and_grad(self.pixels.index_select(0, self.order.indices(step)), kl_weight)
        update(self.optimizer, gradients)
        self.schedule.step()
        return loss

    def evaluate(self, step: int) -> dict[str, float]:
        """The bound on the validation images, and the variance of the encoder's gradient by each compared method."""
        terms = {f"validation_{name}": value for name, value in bound_terms(self.model, self.validation).items()}
        # else the errors of the variances would be equal at all steps
        seed = stream_seed(self.config.seed, step)
        return {**terms, **self.compared.variances(self._watched_loss, list(self.model.encoder.parameters()), seed)}

    def _watched_loss(self, expectation: Expectation) -> Tensor:
        """The loss of the first training images, binarised once, so that only the codes are random."""
        return -self.model.bound(self.watched, 1.0, expectation, self.training.num_samples).mean()

    def scores(self) -> dict[str, float]:
        """Scores of the current state on the test images."""
        torch.manual_seed(self.config.seed)
        train_images = self.data.train.binarized().to(self.device)
        return scores(self.model, train_images, self.test, self.config.evaluation)

    def arrays(self) -> Arrays:
        """What the figures are drawn from: see ``pictures``; and how the compared methods are called."""
        torch.manual_seed(self.config.seed)
        return {**pictures(self.model, self.test, self.data.side), **self.compared.names()}

    def state_dict(self) -> dict[str, Any]:
        """See ``Task``."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "estimator": self.estimator.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Task``."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.estimator.load_state_dict(state.get("estimator", {}))  # earlier versions wrote none
