import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from irg_experiments.data import fashion_mnist, mnist
from irg_experiments.errors import UserError
from tests.data.conftest import Origin

IMAGES = np.arange(5 * 28 * 28).reshape(5, 28, 28) % 256
FILES = {
    f"{part}-{kind}-ubyte": array
    for part in ("train", "t10k")
    for kind, array in (("images-idx3", IMAGES), ("labels-idx1", np.arange(5)))
}


def idx(array: np.ndarray) -> bytes:
    """A file in the format of MNIST."""
    sizes = b"".join(size.to_bytes(4) for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def packed(name: str) -> bytes:
    return gzip.compress(idx(FILES[name]), mtime=0)


@pytest.fixture(autouse=True)
def _small_data_set(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the checksums of small files the right ones and the server their mirror; the server has no file yet."""
    monkeypatch.setattr(mnist, "UNPACKED", {name: hashlib.md5(idx(array)).hexdigest() for name, array in FILES.items()})
    for dataset in (torchvision.datasets.MNIST, torchvision.datasets.FashionMNIST):
        checksums = [(f"{name}.gz", hashlib.md5(packed(name)).hexdigest()) for name in FILES]
        monkeypatch.setattr(dataset, "resources", checksums)
        monkeypatch.setattr(dataset, "mirrors", [f"{origin.url}/gone/", f"{origin.url}/"])


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The folder of the unpacked files of MNIST, below the root ``tmp_path``."""
    folder = tmp_path / "mnist" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, array in FILES.items():
        (folder / name).write_bytes(idx(array))
    return folder


def test_unpacked_files_are_read_and_split(unpacked: Path, tmp_path: Path):
    data = mnist.load(tmp_path, validation=2)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3, 2, 5]
    assert data.test.pixels.tolist() == IMAGES.reshape(5, -1).tolist()
    assert data.validation.labels is not None
    assert data.validation.labels.tolist() == [3, 4]
    assert [len(part) for part in (mnist.load(tmp_path, validation=0).train, data.test)] == [5, 5]


def test_packed_files_are_downloaded_kept_and_read(origin: Origin, tmp_path: Path):
    for name in FILES:
        (origin.folder / f"{name}.gz").write_bytes(packed(name))
    data = mnist.load(tmp_path)
    assert data.test.pixels.tolist() == IMAGES.reshape(5, -1).tolist()
    folder = tmp_path / "mnist" / "MNIST" / "raw"
    assert {path.name for path in folder.iterdir()} == {f"{name}.gz" for name in FILES}
    for path in origin.folder.iterdir():
        path.unlink()
    assert len(mnist.load(tmp_path).test) == 5
    damaged = folder / "t10k-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte\.gz is damaged or incomplete"):
        mnist.load(tmp_path)


def test_damage_to_an_unpacked_file_is_reported(unpacked: Path, tmp_path: Path):
    path = unpacked / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    for damaged in (bytes(content), bytes(content[:50]), b""):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="train-images-idx3-ubyte is damaged or incomplete"):
            mnist.load(tmp_path)


def test_unpacked_files_of_fashion_mnist_are_ignored_since_no_checksum_is_known(unpacked: Path, tmp_path: Path):
    (tmp_path / "mnist").rename(tmp_path / "fashion_mnist")
    (tmp_path / "fashion_mnist" / "MNIST").rename(tmp_path / "fashion_mnist" / "FashionMNIST")
    with pytest.raises(UserError, match=r"Missing data file .*FashionMNIST/raw/train-images-idx3-ubyte\.gz"):
        fashion_mnist.load(tmp_path)


def test_missing_files_are_reported_in_one_line(origin: Origin, tmp_path: Path):
    with pytest.raises(UserError) as error:
        mnist.load(tmp_path / "root")
    for part in ("train-images-idx3-ubyte.gz", f"{origin.url}/gone/", "data.root", "IRG_DATA", "data=digits"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "root").exists()


@pytest.mark.data
def test_the_real_files(data_root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()  # of the small files' checksums
    data = mnist.load(data_root)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [50_000, 10_000, 10_000]
    assert abs(data.train.binarized().pixels.float().mean().item() / 255 - 0.1307) < 0.001
