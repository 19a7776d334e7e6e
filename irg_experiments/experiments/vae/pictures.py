"""What the figures of a trained VAE are drawn from: images as bytes, and the latent space as its geometry places it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from irg_experiments.data import Images
from irg_experiments.experiments.vae.scores import bits, mean_codes
from irg_experiments.models.latents import Geometry
from irg_experiments.models.vae import VAE
from irg_experiments.results.arrays import Arrays

# images per row of reconstructions and of prior samples, and per side of the manifold
SHOWN = 10
MANIFOLD = 20


@torch.no_grad()
def pictures(model: VAE, test: Images, side: int) -> Arrays:
    """Images (rows, columns, side²) and, for a latent space with a geometry and D = 2, the latent means of the test images.

    Args:
        model: trained.
        test: binarised images.
        side: of an image, in pixels.
    """
    x, latent = bits(test), model.latent
    arrays = {"side": np.array(side), "reconstructions": as_bytes(reconstructions(model, x))}
    prior_samples = model.mean_image(latent.prior.sample((SHOWN * SHOWN,))).unflatten(0, (SHOWN, SHOWN))
    arrays["prior_samples"] = as_bytes(prior_samples)
    if latent.geometry is None or latent.dim != 2:
        return arrays
    arrays["manifold"] = as_bytes(model.mean_image(latent.quantile(unit_square(MANIFOLD).to(x.device))))
    arrays |= latent_space(latent.geometry, mean_codes(model, x)[0].cpu().numpy())
    return arrays if test.labels is None else {**arrays, "labels": test.labels.cpu().numpy()}


def reconstructions(model: VAE, x: Tensor) -> Tensor:
    """Two rows of the first images, each above a row with their reconstructions from one code: (4, columns, P)."""
    columns = min(SHOWN, len(x) // 2)
    shown = x[: 2 * columns]
    reconstructed = model.mean_image(model.posterior(shown).sample())
    return torch.stack([half for pair in zip(shown.split(columns), reconstructed.split(columns), strict=True) for half in pair])


def unit_square(number: int) -> Tensor:
    """Midpoints of number² equal squares, (number, number, 2); the first coordinate grows to the right, the second upwards."""
    middles = (torch.arange(number) + 0.5) / number
    up, right = torch.meshgrid(middles.flip(0), middles, indexing="ij")
    return torch.stack([right, up], -1)


def as_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Values between 0 and 1 as whole numbers from 0 to 255."""
    return (255 * images).round().to(torch.uint8).cpu().numpy()


def latent_space(geometry: Geometry, means: NDArray[np.floating]) -> Arrays:
    """Points of a latent space in the flat picture of its geometry, and in the picture in space if there is one.

    Figures then draw every geometry in the same way, without torch.

    Args:
        geometry: of the latent space, which has D = 2.
        means: points of it, as the latent space represents them.
    """
    flat = geometry.flat(means)
    arrays: Arrays = {
        "flat": flat,
        "axis_limits": np.array(geometry.axis_limits(flat)),
        "axis_labels": np.array(geometry.axis_labels),
        "equal_aspect": np.array(geometry.equal_aspect),
        "glued": np.array(geometry.glued),
    }
    if geometry.ticks is not None:
        arrays |= {"ticks": np.array(list(geometry.ticks)), "tick_labels": np.array(list(geometry.ticks.values()))}
    points, mesh = geometry.embed(means), geometry.mesh()
    if points is not None and mesh is not None:
        arrays |= {"points": points, "mesh": mesh, "box_aspect": np.array(geometry.box_aspect)}
    return arrays
