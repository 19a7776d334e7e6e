"""One VAE training step against the plain eager formulation of the same model: `python -m tests.benchmarks.vae_step`.

Prints milliseconds per step, at batch size 64 and D = 10, for Gamma codes by `torch.distributions` with torch's default Adam
and its fused one, and for Gamma, Normal and von Mises codes by this package, with the options of `configs/model/vae.yaml`.
Selecting the batch and drawing its pixels is part of these steps; "products and Adam" is what none can leave out: the matrix
products of all layers, forward and backward, and the update of their parameters. See `turns` for how they are timed; the median
over the turns is printed.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Gamma, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from irg_experiments import implicit
from irg_experiments.config.tree import ConfigTree
from irg_experiments.data import EpochOrder, Images, binarize
from irg_experiments.estimators import Implicit
from irg_experiments.models.latents import GammaLatent, Latent, NormalLatent, VonMisesLatent
from irg_experiments.models.vae import VAE
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.optimizer import Adam
from tests.benchmarks.turns import Step, as_in_training, median_milliseconds

PIXELS, DIM, BATCH, STEPS_A_TURN = 784, 10, 64, 100


class PlainVAE(nn.Module):
    """The textbook formulation with Gamma codes."""

    def __init__(self) -> None:
        super().__init__()
        relu = nn.ReLU()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, 256), relu, nn.Linear(256, 128), relu, nn.Linear(128, 2 * DIM))
        self.decoder = nn.Sequential(nn.Linear(DIM, 128), relu, nn.Linear(128, 256), relu, nn.Linear(256, PIXELS))
        self.prior = Gamma(torch.full((DIM,), 0.3), torch.full((DIM,), 0.3))

    def loss(self, x: Tensor, kl_weight: float) -> Tensor:
        concentration, rate = softplus(self.encoder(x)).clamp(1e-3, 1e3).chunk(2, -1)
        posterior = Gamma(concentration, rate)
        logits = self.decoder(posterior.rsample())
        log_likelihood = -binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        return (kl_weight * kl_divergence(posterior, self.prior).sum(-1) - log_likelihood).mean()


def plain_step(images: Images, fused: bool | None) -> Step:
    """A step of the plain formulation. Images are in memory as floats and reshuffled every epoch."""
    model = PlainVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    intensities = images.pixels / 255
    order = EpochOrder(len(images), BATCH, seed=0)

    def step(index: int) -> None:
        x = torch.bernoulli(intensities[order.indices(index)])
        optimizer.zero_grad()
        model.loss(x, min(1.0, index / 30_000)).backward()
        optimizer.step()

    return step


def package_model(latent: Latent) -> VAE:
    """With the options of the committed file."""
    options = ConfigTree().load("model", "vae")
    return VAE(PIXELS, latent, **{key: value for key, value in options.items() if key not in ("name", "_target_")})


def floor_step(_: Images) -> Step:
    """The matrix products of a step with Gamma codes, and its Adam; their inputs stay in the cache."""
    as_in_training()
    model = package_model(GammaLatent(DIM, 0.3, 0.3))
    layers = [layer for layer in [*model.encoder, *model.decoder] if isinstance(layer, nn.Linear)]
    inputs = [torch.randn(BATCH, layer.in_features) for layer in layers]
    slopes = [torch.randn(BATCH, layer.out_features) for layer in layers]
    optimizer = Adam([parameter for layer in layers for parameter in (layer.weight, layer.bias)], 1e-3)

    @torch.no_grad()
    def step(index: int) -> None:
        gradients: list[Tensor] = []
        for number, (layer, x, slope) in enumerate(zip(layers, inputs, slopes, strict=True)):
            layer(x)
            if number:  # images have no gradient
                slope @ layer.weight
            gradients += [slope.mT @ x, slope.sum(0)]
        optimizer.update(gradients)

    return step


def package_step(images: Images, latent: Latent) -> Step:
    """A step of this package."""
    as_in_training()
    implicit.set_compile("on")
    model = package_model(latent)
    parameters: list[Tensor] = list(model.parameters())
    optimizer, estimator = Adam(parameters, 1e-3), Implicit()

    def loss(pixels: Tensor, kl_weight: Tensor) -> Tensor:
        return -model.bound(binarize(pixels), kl_weight, estimator.expectation).mean()

    function = loss_and_grad(loss, parameters, True, torch.device("cpu"), fixed=True)
    order = EpochOrder(len(images), BATCH, seed=0)

    def step(index: int) -> None:
        pixels = images.pixels.index_select(0, order.indices(index))
        _, gradients = function(pixels, torch.tensor(min(1.0, index / 30_000)))
        optimizer.update(gradients)

    return step


VARIANTS: dict[str, Callable[[Images], Step]] = {
    "torch Gamma, default Adam": lambda images: plain_step(images, None),
    "torch Gamma, fused Adam": lambda images: plain_step(images, True),
    "products and Adam": floor_step,
    "this package, Gamma": lambda images: package_step(images, GammaLatent(DIM, 0.3, 0.3)),
    "this package, Normal": lambda images: package_step(images, NormalLatent(DIM)),
    "this package, von Mises": lambda images: package_step(images, VonMisesLatent(DIM, concentration=0.0)),
}


def variant(name: str) -> Step:
    """The step of a variant on images of which a fifth of the pixels are neither black nor white, as in MNIST."""
    pixels = torch.rand(10_000, PIXELS).mul(5).sub(3.5).clamp(0, 1).mul(255).to(torch.uint8)
    return VARIANTS[name](Images(pixels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=15)
    arguments = parser.parse_args()
    times = median_milliseconds(variant, list(VARIANTS), arguments.threads, STEPS_A_TURN, arguments.turns, warmup=3)
    print(f"batch {BATCH}, D={DIM}, {arguments.threads} threads")
    for name, milliseconds in times.items():
        ratios = (milliseconds / times[base] for base in ("this package, Gamma", "products and Adam"))
        print(f"  {name:39s} {milliseconds:7.2f} ms  {next(ratios):5.2f}x Gamma  {next(ratios):5.2f}x products and Adam")


if __name__ == "__main__":
    main()
