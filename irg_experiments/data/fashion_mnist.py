"""Fashion-MNIST (Xiao et al. 2017)."""

from pathlib import Path

from irg_experiments.data.images import ImageData
from irg_experiments.data.mnist import load_torchvision


def load(root: Path) -> ImageData:
    """Pieces of clothing: 50,000 training, 10,000 validation and 10,000 test images of 28 × 28 pixels.

    Files are downloaded below ``root`` if they do not exist.

    Raises:
        UserError: a file cannot be downloaded or read, or has a wrong checksum.
    """
    return load_torchvision("FashionMNIST", root, "fashion_mnist", unpacked={})
