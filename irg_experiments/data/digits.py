"""The 8 × 8 digits that are part of scikit-learn (Alpaydin & Kaynak 1998)."""

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, Strict

from irg_experiments.config.types import Must
from irg_experiments.data.images import ImageData, Images

SIDE = 8
NUM_IMAGES = 1797
NUM_VALIDATION = NUM_TEST = 300
SPLIT_SEED = 1998

_MOST = NUM_IMAGES - NUM_TEST - 1
Validation = Annotated[int, Strict(), Field(ge=0, le=_MOST), Must(f"a whole number from 0 to {_MOST}")]


def load(root: Path, validation: Validation = NUM_VALIDATION) -> ImageData:
    """1,497 training and validation images and 300 test images of 8 × 8 pixels, split by a fixed permutation.

    The intensities 0..16 are scaled to 0..255.

    Args:
        root: ignored, since scikit-learn contains the images.
        validation: how many of the 1,497 images, the last ones, are for validation.
    """
    from sklearn.datasets import load_digits  # slow to import

    content = load_digits()
    pixels = torch.from_numpy(content.data).mul(255 / 16).round().to(torch.uint8)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    images = Images(pixels, torch.from_numpy(content.target).long()).select(order)
    end = len(images) - NUM_TEST
    parts = (slice(end - validation), slice(end - validation, end), slice(end, None))
    train, held_out, test = map(images.select, parts)
    return ImageData(train, held_out, test, SIDE)
