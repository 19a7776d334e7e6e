"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017), in torchvision's layout, from torchvision's mirrors."""

import gzip
import math
from pathlib import Path

import torch
from torch import Tensor

from irg_experiments.data.download import RemoteFile, fetch
from irg_experiments.data.images import ImageData, Images
from irg_experiments.errors import UserError

SIDE = 28
NUM_VALIDATION = 10_000

# MD5 of the unpacked files, in which form they may lie there already; torchvision knows those of the packed ones
UNPACKED = {
    "mnist/MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
}


def load(root: Path) -> ImageData:
    """The digits: 50,000 training, 10,000 validation and 10,000 test images, downloaded below ``root`` when absent.

    Raises:
        UserError: a file is missing and cannot be downloaded, or is not the one it should be.
    """
    return _load(root, "mnist/MNIST")


def load_fashion(root: Path) -> ImageData:
    """The pieces of clothing, split like MNIST; see ``load``."""
    return _load(root, "fashion_mnist/FashionMNIST")


def _load(root: Path, folder: str) -> ImageData:
    train, test = (
        Images(
            _idx(root, folder, f"{part}-images-idx3-ubyte").flatten(1),
            _idx(root, folder, f"{part}-labels-idx1-ubyte").long(),
        )
        for part in ("train", "t10k")
    )
    last = len(train) - NUM_VALIDATION
    return ImageData(train.select(slice(last)), train.select(slice(last, None)), test, SIDE)


def _idx(root: Path, folder: str, name: str) -> Tensor:
    """The array of one file: the unpacked one where it lies there and can be checked, else the packed one."""
    unpacked, md5 = root / folder / "raw" / name, UNPACKED.get(folder, {}).get(name)
    if md5 is not None and unpacked.exists():
        RemoteFile(f"{folder}/raw/{name}", md5, (), "md5", "digits").verify(unpacked)
        return parse_idx(unpacked.read_bytes(), unpacked)
    packed = fetch(_packed_file(folder, name), root)
    return parse_idx(gzip.decompress(packed.read_bytes()), packed)


def _packed_file(folder: str, name: str) -> RemoteFile:
    from torchvision import datasets  # slow to import, so only when it is used

    dataset = getattr(datasets, folder.rpartition("/")[2])
    mirrors = tuple(f"{mirror}{name}.gz" for mirror in dataset.mirrors)
    return RemoteFile(f"{folder}/raw/{name}.gz", dict(dataset.resources)[f"{name}.gz"], mirrors, "md5", "digits")


def parse_idx(content: bytes, path: Path) -> Tensor:
    """The array of bytes in an IDX file: 0, 0, 8, the number of dimensions, each size in four big-endian bytes, the data.

    Raises:
        UserError: it is no such file, or not a whole one; ``path`` is named.
    """
    dimensions = content[3] if content[:3] == b"\x00\x00\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    shape = [int.from_bytes(content[4 * i : 4 * i + 4]) for i in range(1, dimensions + 1)]
    if not dimensions or len(content) != start + math.prod(shape):
        raise UserError(f"{path} is damaged or incomplete: not an IDX file of bytes. Remove it to have it downloaded again.")
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).reshape(shape)
