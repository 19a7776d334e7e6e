"""The 8 × 8 digits that are part of scikit-learn (Alpaydin & Kaynak 1998)."""

from pathlib import Path

import torch

from irg_experiments.data.images import ImageData, Images

SIDE = 8
NUM_VALIDATION = NUM_TEST = 300
SPLIT_SEED = 1998


def load(root: Path) -> ImageData:
    """1,197 training, 300 validation and 300 test images of 8 × 8 pixels, split by a fixed permutation.

    The intensities 0..16 are scaled to 0..255. ``root`` is ignored, since scikit-learn contains the images.
    """
    from sklearn.datasets import load_digits  # slow to import

    content = load_digits()
    pixels = torch.from_numpy(content.data).mul(255 / 16).round().to(torch.uint8)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    images = Images(pixels, torch.from_numpy(content.target).long()).select(order)
    last = len(images) - NUM_VALIDATION - NUM_TEST
    validation, test = slice(last, last + NUM_VALIDATION), slice(last + NUM_VALIDATION, None)
    return ImageData(images.select(slice(last)), images.select(validation), images.select(test), SIDE)
