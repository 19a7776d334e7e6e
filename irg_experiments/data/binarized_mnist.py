"""MNIST binarised once and for all by Salakhutdinov & Murray (2008), as Larochelle distributes it; it has no labels."""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from irg_experiments.data.download import RemoteFile, fetch
from irg_experiments.data.images import ImageData, Images
from irg_experiments.errors import UserError

SIDE = 28
ORIGIN = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_{}.amat"
PATH = "binarized_mnist/binarized_mnist_packed.npz"

# SHA-256 of the pixels of each split, eight to a byte, first pixel in the highest bit
PACKED = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}

Packed = NDArray[np.uint8]


def load(root: Path) -> ImageData:
    """50,000 training, 10,000 validation and 10,000 test images, downloaded and packed below ``root`` when absent.

    The text files, of 110 MB, stay beside the packed one, which is the only one that is read once it is there.

    Raises:
        UserError: a file is missing and cannot be downloaded, or is not the one it should be.
    """
    path = root / PATH
    splits = _read(path) if path.exists() else _pack_text(root)
    train, validation, test = (Images(torch.from_numpy(np.unpackbits(splits[name], axis=1) * np.uint8(255))) for name in PACKED)
    return ImageData(train, validation, test, SIDE)


def _read(path: Path) -> dict[str, Packed]:
    try:
        with path.open("rb") as file, np.load(file) as archive:
            splits = {name: archive[name] for name in PACKED}
    except Exception as error:  # whatever a damaged archive may raise
        raise UserError(_damaged(path, str(error))) from error
    for name, packed in splits.items():
        if not _is_right(name, packed):
            raise UserError(_damaged(path, f"'{name}' has another SHA-256 than {PACKED[name]}"))
    return splits


def _damaged(path: Path, reason: str) -> str:
    return (
        f"{path} is damaged or incomplete: {reason.splitlines()[0]}. Nothing was overwritten: remove it to download it again."
    )


def _is_right(name: str, packed: Packed) -> bool:
    return hashlib.sha256(packed.tobytes()).hexdigest() == PACKED[name]


def _pack_text(root: Path) -> dict[str, Packed]:
    """The splits from their text files, downloaded where absent; they are written to the packed file."""
    texts = {name: fetch(_text_file(name), root).read_bytes() for name in PACKED}
    splits = {name: np.frombuffer(pack(text), np.uint8).reshape(-1, SIDE * SIDE // 8) for name, text in texts.items()}
    path = root / PATH
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, train=splits["train"], valid=splits["valid"], test=splits["test"])
    os.replace(partial, path)
    return splits


def _text_file(name: str) -> RemoteFile:
    """A split as it is distributed, known by its packed pixels."""
    url = ORIGIN.format(name)
    return RemoteFile(f"binarized_mnist/{url.rpartition('/')[2]}", PACKED[name], (url,), embedded="digits", content=pack)


def pack(text: bytes) -> bytes:
    """The packed pixels of an ``.amat`` file: one image a line, its pixels "0" or "1" between blanks."""
    characters = np.frombuffer(text, np.uint8)
    pixels = characters[(characters == ord("0")) | (characters == ord("1"))] - np.uint8(ord("0"))
    return np.packbits(pixels).tobytes()
