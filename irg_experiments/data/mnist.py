"""MNIST (LeCun et al. 1998). Also the layout, mirrors and reader of torchvision's data sets of that form."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from pydantic import Field, Strict
from torch import Tensor

from irg_experiments.config.types import Must
from irg_experiments.data.download import RemoteFile, fetch
from irg_experiments.data.images import ImageData, Images

SIDE = 28
NUM_TRAIN, NUM_VALIDATION = 60_000, 10_000

# the number of validation images, taken from the training images
Validation = Annotated[int, Strict(), Field(ge=0, lt=NUM_TRAIN), Must(f"a whole number from 0 to {NUM_TRAIN - 1}")]

# MD5 of the unpacked files; torchvision states those of the packed files only
UNPACKED = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def load(root: Path, validation: Validation = NUM_VALIDATION) -> ImageData:
    """Handwritten digits: 60,000 training and validation images and 10,000 test images of 28 × 28 pixels.

    Files are downloaded below ``root`` if they do not exist.

    Args:
        root: folder of data files.
        validation: how many of the 60,000 images, the last ones, are for validation.

    Raises:
        UserError: a file cannot be downloaded or read, or has a wrong checksum.
    """
    return load_torchvision("MNIST", root, "mnist", UNPACKED, validation)


def load_torchvision(name: str, root: Path, folder: str, unpacked: Mapping[str, str], validation: int) -> ImageData:
    """The data set of a class of ``torchvision.datasets`` that derives from its ``MNIST``.

    Each of the four files is read unpacked if it exists in that form and its checksum is known, else packed. An unpacked file
    without a known checksum is ignored, since damage to it would go unnoticed.

    Args:
        name: name of the class.
        root: folder of data files.
        folder: what torchvision calls the root, below ``root``.
        unpacked: MD5 of the unpacked files by name, as far as known.
        validation: how many of the training images, the last ones, are for validation.
    """
    from torchvision import datasets  # slow to import

    dataset, raw = getattr(datasets, name), f"{folder}/{name}/raw"
    packed_checksums = dict(dataset.resources)

    def read(file: str, reader: Callable[[str], Tensor]) -> Tensor:
        plain = RemoteFile(f"{raw}/{file}", f"md5:{unpacked[file]}", ()).existing(root) if file in unpacked else None
        if plain is not None:
            return reader(str(plain))
        mirrors = tuple(f"{mirror}{file}.gz" for mirror in dataset.mirrors)
        packed = RemoteFile(f"{raw}/{file}.gz", f"md5:{packed_checksums[f'{file}.gz']}", mirrors, offline="digits")
        with TemporaryDirectory() as temporary:  # torchvision reads plain files only
            return reader(datasets.utils.extract_archive(str(fetch(packed, root)), temporary))

    train, test = (
        Images(
            read(f"{part}-images-idx3-ubyte", datasets.mnist.read_image_file).flatten(1),
            read(f"{part}-labels-idx1-ubyte", datasets.mnist.read_label_file),
        )
        for part in ("train", "t10k")
    )
    last = len(train) - validation
    return ImageData(train.select(slice(last)), train.select(slice(last, None)), test, SIDE)
