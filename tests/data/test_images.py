import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from irg_experiments.data import binarized_mnist, digits, load_image_data, mnist
from irg_experiments.data.images import Images, Shuffle, binarize
from irg_experiments.errors import UserError


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4) for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def test_digits_are_split_the_same_way_every_time():
    first, second = digits.load(), digits.load()
    assert [len(part) for part in (first.train, first.validation, first.test)] == [1197, 300, 300]
    assert torch.equal(first.test.pixels, second.test.pixels)
    assert first.train.pixels.dtype == torch.uint8
    assert first.train.pixels.max() == 255
    assert first.train.labels is not None
    assert first.train.labels.unique().tolist() == list(range(10))


def test_binarisation_has_the_mean_of_the_pixels_and_keeps_black_and_white():
    pixels = torch.tensor([0, 1, 51, 128, 254, 255], dtype=torch.uint8)
    number = 100_000
    draws = binarize(pixels.expand(number, -1))
    assert draws.unique().tolist() == [0, 1]
    assert (draws[:, 0] == 0).all()
    assert (draws[:, -1] == 1).all()
    p = pixels[1:-1].double() / 255
    z = (draws[:, 1:-1].double().mean(0) - p) / (p * (1 - p) / number).sqrt()
    assert z.abs().max() < 5


def test_fixed_binarisation_is_fixed_and_binary():
    images = Images(torch.randint(256, (10, 20), dtype=torch.uint8), torch.arange(10))
    fixed = images.binarized()
    assert torch.equal(fixed.pixels, images.binarized().pixels)
    assert not torch.equal(fixed.pixels, images.binarized(seed=1).pixels)
    assert torch.equal(binarize(fixed.pixels), fixed.pixels / 255)


def test_shuffle_visits_every_item_once_an_epoch_and_can_start_anywhere():
    shuffle = Shuffle(10, 4, seed=3, device=torch.device("cpu"))
    stream = torch.cat([shuffle.indices(step) for step in range(5)])
    for epoch in stream.split(10):
        assert sorted(epoch.tolist()) == list(range(10))
    again = Shuffle(10, 4, seed=3, device=torch.device("cpu"))
    assert torch.equal(again.indices(4), stream[16:])
    assert len(Shuffle(3, 8, seed=0, device=torch.device("cpu")).indices(2)) == 8


def test_idx_is_parsed_and_its_damage_named(tmp_path: Path):
    array = np.arange(24).reshape(2, 3, 4)
    content = idx(array)
    assert torch.equal(mnist.parse_idx(content, tmp_path), torch.from_numpy(array).to(torch.uint8))
    for damaged in (content[:-1], content + b"x", b"", b"<html>", b"\x00\x00\x08"):
        with pytest.raises(UserError, match="damaged or incomplete"):
            mnist.parse_idx(damaged, tmp_path / "file")


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with files in MNIST's unpacked layout, whose checksums are made known."""
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images, labels = np.arange(5 * 28 * 28).reshape(5, 28, 28) % 256, np.arange(5)
    sums = {}
    for part in ("train", "t10k"):
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            (raw / name).write_bytes(idx(array))
            sums[name] = hashlib.md5((raw / name).read_bytes()).hexdigest()
    monkeypatch.setattr(mnist, "UNPACKED", {"mnist/MNIST": sums})
    monkeypatch.setattr(mnist, "NUM_VALIDATION", 2)
    return tmp_path


def test_mnist_is_read_and_split(small_mnist: Path):
    data = load_image_data("mnist", small_mnist)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3, 2, 5]
    assert data.train.pixels.shape == (3, 28 * 28)
    assert data.validation.labels is not None
    assert data.validation.labels.tolist() == [3, 4]


def test_a_damaged_mnist_file_is_named_and_never_read(small_mnist: Path):
    path = small_mnist / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    for damaged in (bytes(content), bytes(content[:50])):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="train-images-idx3-ubyte is damaged or incomplete"):
            mnist.load(small_mnist)


def test_packed_files_are_read_where_their_checksum_is_right(small_mnist: Path, monkeypatch: pytest.MonkeyPatch):
    datasets = pytest.importorskip("torchvision.datasets")
    raw = small_mnist / "mnist" / "MNIST" / "raw"
    sums = []
    for path in list(raw.iterdir()):
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        sums.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
        path.unlink()
    monkeypatch.setattr(datasets.MNIST, "resources", sums)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [(small_mnist / "nowhere").as_uri() + "/"])
    assert len(mnist.load(small_mnist).test) == 5
    path = raw / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte\.gz is damaged or incomplete"):
        mnist.load(small_mnist)
    path.unlink()
    with pytest.raises(UserError) as error:
        mnist.load(small_mnist)
    for part in ("t10k-images-idx3-ubyte.gz", "nowhere", "data.root", "IRG_DATA", "data=digits"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_static_mnist_is_packed_checked_and_refused_when_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = "\n".join(["1 " + " ".join(["0"] * 782) + " 1", " ".join(["0", "1"] * 392)])
    monkeypatch.setattr(binarized_mnist, "ORIGIN", (tmp_path / "origin").as_uri() + "_{}.amat")
    with pytest.raises(UserError, match="data=digits"):
        binarized_mnist.load(tmp_path)
    (tmp_path / "origin_train.amat").write_text(text)
    with pytest.raises(UserError, match=r"SHA-256 \w+ instead of"):
        binarized_mnist.load(tmp_path)
    digest = hashlib.sha256(binarized_mnist.pack(text.encode())).hexdigest()
    monkeypatch.setattr(binarized_mnist, "PACKED", dict.fromkeys(binarized_mnist.PACKED, digest))
    with pytest.raises(UserError, match=r"origin_valid\.amat"):
        binarized_mnist.load(tmp_path)
    (tmp_path / "origin_train.amat").unlink()  # it has been downloaded, and is kept
    for name in ("valid", "test"):
        (tmp_path / f"origin_{name}.amat").write_text(text)
    pixels = binarized_mnist.load(tmp_path).train.pixels
    assert pixels.unique().tolist() == [0, 255]
    assert pixels[0].nonzero().squeeze().tolist() == [0, 783]
    path = tmp_path / binarized_mnist.PATH
    assert torch.equal(binarized_mnist.load(tmp_path).train.pixels, pixels)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="damaged or incomplete"):
        binarized_mnist.load(tmp_path)


def test_other_data_sets_are_refused_by_name(tmp_path: Path):
    with pytest.raises(UserError, match="Unknown set of images 'bars'"):
        load_image_data("bars", tmp_path)


@pytest.mark.data
def test_the_real_files(data_root: Path):
    for name in ("mnist", "binarized_mnist"):
        data = load_image_data(name, data_root)
        assert [len(part) for part in (data.train, data.validation, data.test)] == [50_000, 10_000, 10_000]
        mean = data.train.binarized().pixels.float().mean().item() / 255
        assert abs(mean - 0.1307) < 0.001
