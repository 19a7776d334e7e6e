"""Variational auto-encoders with normal and other codes: test likelihood, latent spaces, variance of the encoder's gradient."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from irg_experiments.data import ImageData, load_image_data
from irg_experiments.data.images import Shuffle, binarize
from irg_experiments.data.order import stream_seed
from irg_experiments.errors import UserError
from irg_experiments.estimators import ESTIMATORS, Estimator, MeasureValued, supports
from irg_experiments.experiments.methods import make_estimator
from irg_experiments.experiments.vae_scores import bits, bound_terms, mean_codes, scores
from irg_experiments.models.latents import Latent, make_latent
from irg_experiments.models.vae import VAE
from irg_experiments.results import figures, figures_vae
from irg_experiments.results.tables_vae import paper_nll
from irg_experiments.training.adam import Adam
from irg_experiments.training.annealing import make_annealing
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.loop import Schedule, Selection, TrainingResult, train
from irg_experiments.training.metrics_log import read_metrics

VARIANCE = "gradient_variance_"
MANIFOLD = 20
SHOWN = 10


class VaeTask:
    """A VAE as the training loop sees it."""

    def __init__(self, config: Any, data: ImageData, latent: Latent, estimator: Estimator, device: torch.device) -> None:
        self.training, self.estimator, self.device = config.training, estimator, device
        self.seed = config.seed
        self.pixels = data.train.pixels.to(device)
        self.shuffle = Shuffle(len(data.train), self.training.batch_size, config.seed, device)
        self.validation = bits(data.validation.binarized().to(device))
        self.model = VAE(self.pixels.shape[1], latent, config.model.hidden).to(device)
        self.parameters = list(self.model.parameters())
        self.optimizer = Adam(self.parameters, self.training.learning_rate)
        self.annealing = make_annealing(self.training.annealing)
        self.loss_and_grad = loss_and_grad(self._loss, self.parameters, config.compile, device)
        self.num_samples, self.warmup = self.training.num_samples, self.training.kl_warmup_steps
        self.compared = {
            name: estimator if name == config.method.name else ESTIMATORS[name]() for name in config.gradient_variance.methods
        }
        self.repeats = config.gradient_variance.repeats
        self.watched = bits(data.train.select(slice(self.training.batch_size)).binarized().to(device))

    def _loss(self, pixels: Tensor, kl_weight: Tensor) -> Tensor:
        return -self.model.bound(binarize(pixels), kl_weight, self.estimator.expectation, self.num_samples).mean()

    def training_step(self, step: int) -> Tensor:
        """See ``irg_experiments.training.loop.Task``."""
        kl_weight = torch.tensor(min(step / self.warmup, 1.0) if self.warmup else 1.0, device=self.device)
        loss, gradients = self.loss_and_grad(self.pixels.index_select(0, self.shuffle.indices(step)), kl_weight)
        self.optimizer.learning_rate = self.training.learning_rate * self.annealing(step / self.training.steps)
        self.optimizer.step(gradients)
        return loss

    def evaluate(self, step: int) -> dict[str, float]:
        """The bound on the validation images, and the variance of the encoder's gradient where that is watched."""
        terms = {f"validation_{name}": value for name, value in bound_terms(self.model, self.validation).items()}
        torch.manual_seed(stream_seed(self.seed, step))  # else the errors of the variances would be the same at every step
        return {**terms, **{f"{VARIANCE}{name}": self.gradient_variance(it) for name, it in self.compared.items()}}

    def gradient_variance(self, estimator: Estimator) -> float:
        """The variance of the gradient of the loss in a parameter of the encoder, the mean over these.

        The batch is the first one of the training set, binarised once, so that only the codes are random.
        """
        encoder = list(self.model.encoder.parameters())
        gradients = []
        for _ in range(self.repeats):
            with torch.enable_grad():
                loss = -self.model.bound(self.watched, 1.0, estimator.expectation, self.num_samples).mean()
            gradients.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, encoder)]))
        return torch.stack(gradients).double().var(0).mean().item()

    def state_dict(self) -> dict[str, Any]:
        """See ``irg_experiments.training.loop.Task``."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``irg_experiments.training.loop.Task``."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


class VaeExperiment:
    """The experiment of configs/experiment/vae.yaml."""

    named_by: tuple[str, ...] = ("data.name", "latent.name", "latent.dim", "method.name")

    def __init__(self, config: Any, device: torch.device) -> None:
        self.config, self.device = config, device
        options = {name: value for name, value in config.latent.items() if name not in ("name", "compare")}
        latent = make_latent(**options, limits=tuple(config.model.limits))
        estimator = make_estimator(config.method)
        for name, method in ((config.method.name, estimator), *((name, None) for name in config.gradient_variance.methods)):
            check_together(config.latent.name, latent, name, method)
        self.data = load_image_data(config.data.name, Path(config.data.root))
        self.test = self.data.test.binarized().to(device)
        self.task = VaeTask(config, self.data, latent, estimator, device)

    def run(self, directory: Path) -> TrainingResult:
        """Trains until the validation bound rises or the budget ends, and scores the best state on the test images."""
        t = self.config.training
        selection = Selection(t.patience, t.kl_warmup_steps)
        schedule = Schedule(t.steps, t.log_every, t.evaluate_every, t.checkpoint_every, selection)
        result = train(self.task, schedule, self.config.seed, directory, self.device)
        torch.manual_seed(self.config.seed)
        train_images = self.data.train.binarized().to(self.device)
        found = scores(self.task.model, train_images, self.test, self.config.evaluation)
        return dataclasses.replace(result, metrics={**found, **result.metrics})

    def show(self, directory: Path, record: dict[str, Any]) -> None:
        """Prints the table; writes reconstructions, prior samples, the latent space and the curves."""
        console = Console()
        console.print(_result_table(record))
        torch.manual_seed(self.config.seed)
        with torch.no_grad():
            for path in self._figures(directory / "figures", read_metrics(directory / "metrics.jsonl")):
                console.print(f"{path}", highlight=False, soft_wrap=True)

    def _figures(self, folder: Path, rows: Sequence[dict[str, Any]]) -> Iterator[Path]:
        model, latent, side = self.task.model, self.task.model.latent, self.data.side
        x = bits(self.test)
        yield figures.learning_curve(folder / "learning_curve.png", rows, "validation_negative_elbo", None)
        shown = x[: 2 * SHOWN]
        reconstructed = model.mean_image(model.posterior(shown).sample())
        rows_of_images = torch.stack([shown[:SHOWN], reconstructed[:SHOWN], shown[SHOWN:], reconstructed[SHOWN:]])
        yield figures_vae.image_grid(folder / "reconstructions.png", rows_of_images.cpu().numpy(), side, side // 8)
        prior_images = model.mean_image(latent.prior.sample((SHOWN * SHOWN,))).unflatten(0, (SHOWN, SHOWN))
        yield figures_vae.image_grid(folder / "prior_samples.png", prior_images.cpu().numpy(), side, side // 8)
        if latent.geometry and latent.dim == 2:
            manifold = model.mean_image(latent.quantile(unit_square(MANIFOLD).to(self.device)))
            yield figures_vae.image_grid(folder / "manifold.png", manifold.cpu().numpy(), side)
            means = mean_codes(model, x)[0].cpu().numpy()
            labels = None if self.test.labels is None else self.test.labels.cpu().numpy()
            yield from figures_vae.latent_space(folder, means, labels, latent.geometry)
        if self.task.compared:
            yield figures_vae.gradient_variance(folder / "gradient_variance.png", rows, VARIANCE)


def unit_square(number: int) -> Tensor:
    """The middles of number² equal squares, (number, number, 2), the first coordinate growing to the right, the second up."""
    middles = (torch.arange(number) + 0.5) / number
    up, right = torch.meshgrid(middles.flip(0), middles, indexing="ij")
    return torch.stack([right, up], -1)


def able(latent: Latent) -> list[str]:
    """The methods that can differentiate samples of the latent space's posterior."""
    return [name for name, make in ESTIMATORS.items() if _supports(make(), latent)]


def _supports(estimator: Estimator, latent: Latent) -> bool:
    # measure-valued gradients would take a pass through the decoder for each coordinate of each code
    return supports(estimator, latent.family) and not isinstance(estimator, MeasureValued)


def check_together(latent_name: str, latent: Latent, method: str, estimator: Estimator | None = None) -> None:
    """Raises UserError, which lists the methods that can, unless the method can differentiate the latent space's samples."""
    if method not in ESTIMATORS or not _supports(estimator or ESTIMATORS[method](), latent):
        others = ", ".join(able(latent))
        raise UserError(
            f"method={method} cannot differentiate the samples of latent={latent_name}. Methods that can: {others}."
        )


def _result_table(record: dict[str, Any]) -> Table:
    metrics, latent = record["metrics"], record["config"]["latent"]
    title = f"VAE, {latent['name']} D={latent['dim']}, {record['method']}, {record['data']}, seed {record['seed']}"
    table = Table(title=title, title_justify="left")
    for header in ("metric", "measured", "paper (from memory)"):
        table.add_column(header, justify="left" if header == "metric" else "right")
    samples = record["config"]["evaluation"]["nll_samples"]
    table.add_row(f"test NLL, {samples} samples, nats", f"{metrics['test_nll']:.2f}", str(paper_nll(record) or "–"))
    table.add_row("test −ELBO, nats", f"{metrics['test_negative_elbo']:.2f}", "–")
    table.add_row("  KL", f"{metrics['test_kl']:.2f}", "–")
    table.add_row("  reconstruction", f"{metrics['test_reconstruction']:.2f}", "–")
    table.add_row("active units", f"{metrics['test_active_units']}", "–")
    for name, value in metrics.items():
        if name.startswith("test_knn_accuracy_"):
            table.add_row(f"k-NN accuracy, {name.rpartition('_')[2]} labels", f"{value:.1%}", "–")
    table.add_row("steps, best of", f"{metrics['best_step']:,} of {metrics['last_step']:,}", "–")
    table.add_row("steps a second", f"{record['steps_per_second']:.0f}", "–")
    return table
