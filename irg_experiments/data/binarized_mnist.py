"""MNIST binarized once by Salakhutdinov & Murray (2008), as distributed by Larochelle; without labels."""

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from irg_experiments.data.download import RemoteFile, fetch, is_present, partial_suffix
from irg_experiments.data.images import ImageData, Images
from irg_experiments.errors import UserError
from irg_experiments.files import written_whole

SIDE = 28
ORIGIN = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_{}.amat"
PATH = "binarized_mnist/binarized_mnist_packed.npz"

# SHA-256 of the pixels of each split, eight per byte, the first pixel in the highest bit
PACKED = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}

Packed = NDArray[np.uint8]


def load(root: Path) -> ImageData:
    """50,000 training, 10,000 validation and 10,000 test images of 28 × 28 pixels, each 0 or 255.

    If the packed file does not exist below ``root``, the text files (110 MB) are downloaded and packed. They stay there but are
    not read again.

    Raises:
        UserError: a file cannot be downloaded or read, or has a wrong checksum.
    """
    path = root / PATH
    splits = _read(path) if is_present(path) else _pack_text(root)
    train, validation, test = (Images(torch.from_numpy(np.unpackbits(splits[name], axis=1) * np.uint8(255))) for name in PACKED)
    return ImageData(train, validation, test, SIDE)


def _read(path: Path) -> dict[str, Packed]:
    try:
        with path.open("rb") as file, np.load(file) as archive:
            splits = {name: archive[name] for name in PACKED}
    except Exception as error:  # a damaged archive raises errors of many types
        raise UserError(_damaged(path, (str(error).splitlines() or [type(error).__name__])[0])) from error
    for name, packed in splits.items():
        if (found := hashlib.sha256(packed.tobytes()).hexdigest()) != PACKED[name]:
            raise UserError(_damaged(path, f"the checksum of '{name}' is sha256:{found}, not sha256:{PACKED[name]}"))
    return splits


def _damaged(path: Path, reason: str) -> str:
    return (
        f"{path} is damaged or incomplete: {reason}. Nothing was overwritten: remove the file to have it downloaded again, or "
        "set data.root to another folder."
    )


def _pack_text(root: Path) -> dict[str, Packed]:
    """The splits from their text files, downloaded if they do not exist; also writes the packed file."""
    texts = {name: fetch(_text_file(name), root).read_bytes() for name in PACKED}
    splits = {name: np.frombuffer(pack(text), np.uint8).reshape(-1, SIDE * SIDE // 8) for name, text in texts.items()}
    # the packed file only saves time: a read-only folder of text files serves as well
    with suppress(OSError), written_whole(root / PATH, partial_suffix()) as partial, partial.open("wb") as file:
        np.savez(file, train=splits["train"], valid=splits["valid"], test=splits["test"])
    return splits


def _text_file(name: str) -> RemoteFile:
    """The text file of a split, identified by the checksum of its packed pixels."""
    url = ORIGIN.format(name)
    path = f"binarized_mnist/{url.rpartition('/')[2]}"
    return RemoteFile(path, f"sha256:{PACKED[name]}", (url,), offline="digits", content=pack)


def pack(text: bytes) -> bytes:
    """The packed pixels of an ``.amat`` file: one image per line, its pixels "0" or "1" separated by blanks."""
    characters = np.frombuffer(text, np.uint8)
    pixels = characters[(characters == ord("0")) | (characters == ord("1"))] - np.uint8(ord("0"))
    return np.packbits(pixels).tobytes()
