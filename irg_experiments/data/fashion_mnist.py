"""Fashion-MNIST (Xiao et al. 2017)."""

from pathlib import Path

from irg_experiments.data.images import ImageData
from irg_experiments.data.mnist import NUM_VALIDATION, Validation, load_torchvision


def load(root: Path, validation: Validation = NUM_VALIDATION) -> ImageData:
    """Pieces of clothing: 60,000 training and validation images and 10,000 test images of 28 × 28 pixels.

    Files are downloaded below ``root`` if they do not exist.

    Args:
        root: folder of data files.
        validation: how many of the 60,000 images, the last ones, are for validation.

    Raises:
        UserError: a file cannot be downloaded or read, or has a wrong checksum.
    """
    return load_torchvision("FashionMNIST", root, "fashion_mnist", unpacked={}, validation=validation)
