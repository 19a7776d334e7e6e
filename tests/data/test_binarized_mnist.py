import hashlib
from pathlib import Path

import pytest
import torch

from irg_experiments.data import binarized_mnist
from irg_experiments.errors import UserError
from tests.data.conftest import Origin

# two images: only the first and the last pixel are on; every second pixel is on
TEXT = "\n".join(["1 " + " ".join(["0"] * 782) + " 1", " ".join(["0", "1"] * 392)]).encode()
SPLITS = tuple(binarized_mnist.PACKED)


@pytest.fixture(autouse=True)
def _small_data_set(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the checksum of small files the right one and the server their mirror."""
    monkeypatch.setattr(binarized_mnist, "ORIGIN", f"{origin.url}/{{}}.amat")
    checksum = hashlib.sha256(binarized_mnist.pack(TEXT)).hexdigest()
    monkeypatch.setattr(binarized_mnist, "PACKED", dict.fromkeys(SPLITS, checksum))
    for name in SPLITS:
        (origin.folder / f"{name}.amat").write_bytes(TEXT)


def test_text_files_are_downloaded_once_and_packed(origin: Origin, tmp_path: Path):
    data = binarized_mnist.load(tmp_path)
    assert data.train.pixels.unique().tolist() == [0, 255]
    assert data.train.pixels[0].nonzero().squeeze().tolist() == [0, 783]
    packed = tmp_path / binarized_mnist.PATH
    assert {path.name for path in packed.parent.iterdir()} == {packed.name, *(f"{name}.amat" for name in SPLITS)}
    for path in [*origin.folder.iterdir(), *packed.parent.glob("*.amat")]:
        path.unlink()
    assert torch.equal(binarized_mnist.load(tmp_path).test.pixels, data.test.pixels)


def test_a_split_that_arrived_is_kept_when_the_next_one_is_missing(origin: Origin, tmp_path: Path):
    (origin.folder / "valid.amat").unlink()
    with pytest.raises(UserError, match=r"Missing data file .*valid\.amat.*data=digits"):
        binarized_mnist.load(tmp_path)
    (origin.folder / "train.amat").unlink()
    (origin.folder / "valid.amat").write_bytes(TEXT)
    assert len(binarized_mnist.load(tmp_path).train) == 2


def test_other_images_are_refused(origin: Origin, tmp_path: Path):
    (origin.folder / "train.amat").write_bytes(TEXT.replace(b"1", b"0", 1))
    with pytest.raises(UserError, match="its checksum is sha256:"):
        binarized_mnist.load(tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_damage_to_the_packed_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    binarized_mnist.load(tmp_path)
    path = tmp_path / binarized_mnist.PATH
    content = path.read_bytes()
    for damaged in (content[:200], b"", b"\x93NUMPY"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"packed\.npz is damaged or incomplete") as error:
            binarized_mnist.load(tmp_path)
        assert "\n" not in str(error.value)
        assert path.read_bytes() == damaged
    path.write_bytes(content)
    monkeypatch.setattr(binarized_mnist, "PACKED", dict.fromkeys(SPLITS, "00"))
    with pytest.raises(UserError, match="the checksum of 'train' is sha256:"):
        binarized_mnist.load(tmp_path)


def test_a_folder_in_the_place_of_the_packed_file_is_reported(tmp_path: Path):
    (tmp_path / binarized_mnist.PATH).mkdir(parents=True)
    with pytest.raises(UserError, match=r"packed\.npz is a folder"):
        binarized_mnist.load(tmp_path)


@pytest.mark.data
def test_the_real_file(data_root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()  # of the small files' checksums
    data = binarized_mnist.load(data_root)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [50_000, 10_000, 10_000]
    assert abs(data.train.pixels.float().mean().item() / 255 - 0.1307) < 0.001
