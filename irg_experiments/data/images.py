"""Images in memory as bytes, and the batches that are made of them on the device they are on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from irg_experiments.data.order import epoch_order

# of the fixed binarisation of validation and test images, the same in every run
BINARIZATION_SEED = 1805


@dataclass(frozen=True)
class Images:
    """N images of P pixels.

    Args:
        pixels: (N, P) intensities, uint8: 255 is a pixel that is always on, 0 one that never is.
        labels: (N,) classes, where known.
    """

    pixels: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device) -> "Images":
        """The same images on ``device``."""
        return Images(self.pixels.to(device), None if self.labels is None else self.labels.to(device))

    def select(self, indices: Tensor | slice) -> "Images":
        """The given images, in the given order."""
        return Images(self.pixels[indices], None if self.labels is None else self.labels[indices])

    def binarized(self, seed: int = BINARIZATION_SEED) -> "Images":
        """The same images with every pixel drawn once, 0 or 255; the draw depends on ``seed`` alone."""
        pixels = self.pixels.cpu()
        on = _below(pixels, _noise(pixels, torch.Generator().manual_seed(seed)))
        return Images(on.to(torch.uint8).to(self.pixels.device) * 255, self.labels)


@dataclass(frozen=True)
class ImageData:
    """Square images of ``side``² pixels: what a model is trained, selected and tested on."""

    train: Images
    validation: Images
    test: Images
    side: int


def binarize(pixels: Tensor) -> Tensor:
    """A fresh draw of binary images, as floats: each pixel is 1 with the probability pixels/255 (Salakhutdinov & Murray 2008).

    Pixels of 0 and 255 stay what they are, so that images binarised already pass unchanged; other probabilities are exact to
    2^-16.
    """
    return _below(pixels, _noise(pixels)).float()


def _noise(pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform whole numbers from −2¹⁵ to 2¹⁵ − 1 in the shape of the pixels, four from each draw of 64 bits.

    Drawing a float for each pixel would take a fifteenth of a training step.
    """
    number = pixels.numel()
    draws = torch.randint(-(2**63), 2**63 - 1, ((number + 3) // 4,), device=pixels.device, generator=generator)
    return draws.view(torch.int16)[:number].reshape(pixels.shape)


def _below(pixels: Tensor, noise: Tensor) -> Tensor:
    return noise < pixels * (2**16 / 255) - 2**15


class Shuffle:
    """The indices of batches, reshuffled every epoch. Which make a batch depends on seed and step alone.

    Args:
        size: how many items there are.
        batch_size: how many make a batch; a batch may reach over the end of an epoch.
        seed: of the order.
        device: of the indices.
    """

    def __init__(self, size: int, batch_size: int, seed: int, device: torch.device) -> None:
        self.size, self.batch_size, self.seed, self.device = size, batch_size, seed, device
        self._orders: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """Of the batch of a step, counted from 0: every item comes once in each epoch."""
        epoch, start = divmod(step * self.batch_size, self.size)
        chosen = self._order(epoch)[start : start + self.batch_size]
        while len(chosen) < self.batch_size:
            epoch += 1
            chosen = torch.cat([chosen, self._order(epoch)[: self.batch_size - len(chosen)]])
        return chosen

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._orders:
            order = epoch_order(self.size, self.seed, epoch).to(self.device)
            self._orders = {earlier: kept for earlier, kept in self._orders.items() if earlier == epoch - 1} | {epoch: order}
        return self._orders[epoch]
