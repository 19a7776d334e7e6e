"""Images in memory as bytes, and their binarization."""

from dataclasses import dataclass

import torch
from torch import Tensor

# seed of the fixed binarization of validation and test images, the same in every run
BINARIZATION_SEED = 1805


@dataclass(frozen=True)
class Images:
    """N images of P pixels.

    Args:
        pixels: (N, P) intensities, uint8; intensity/255 is the probability that the pixel is on.
        labels: (N,) classes, int64, if known.
    """

    pixels: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device) -> "Images":
        """The same images on ``device``."""
        return Images(self.pixels.to(device), None if self.labels is None else self.labels.to(device))

    def select(self, indices: Tensor | slice) -> "Images":
        """The images with the given indices, in that order."""
        return Images(self.pixels[indices], None if self.labels is None else self.labels[indices])

    def binarized(self, seed: int = BINARIZATION_SEED) -> "Images":
        """The same images with every pixel drawn once as 0 or 255; the draw depends on ``seed`` alone."""
        pixels = self.pixels.cpu()
        on = _below(pixels, _noise(pixels, torch.Generator().manual_seed(seed)))
        return Images(on.to(torch.uint8).to(self.pixels.device) * 255, self.labels)


@dataclass(frozen=True)
class ImageData:
    """Square images of ``side`` × ``side`` pixels, split into training, validation and test sets."""

    train: Images
    validation: Images
    test: Images
    side: int


def binarize(pixels: Tensor) -> Tensor:
    """Draws binary images: each pixel is 1 with probability pixels/255, else 0 (Salakhutdinov & Murray 2008).

    Args:
        pixels: intensities, uint8, any shape.

    Returns:
        A float tensor of that shape, a new draw per call. Intensities 0 and 255 always give 0 and 1, so that images that are
        binary already stay unchanged. Other probabilities are exact to 2^-16.
    """
    return _below(pixels, _noise(pixels)).float()


def _noise(pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform integers from −2¹⁵ to 2¹⁵ − 1 in the shape of the pixels, four per 64-bit draw.

    Drawing one float per pixel would take a fifteenth of a training step.
    """
    number = pixels.numel()
    draws = torch.randint(-(2**63), 2**63 - 1, ((number + 3) // 4,), device=pixels.device, generator=generator)
    return draws.view(torch.int16)[:number].reshape(pixels.shape)


def _below(pixels: Tensor, noise: Tensor) -> Tensor:
    return noise < pixels * (2**16 / 255) - 2**15
