import torch

from irg_experiments.data import Images, binarize
from tests.statistics import assert_mean


def test_binarization_has_the_mean_of_the_pixels_and_keeps_black_and_white():
    pixels = torch.tensor([0, 1, 51, 128, 254, 255], dtype=torch.uint8)
    number = 100_000
    draws = binarize(pixels.expand(number, -1))
    assert draws.unique().tolist() == [0, 1]
    assert (draws[:, 0] == 0).all()
    assert (draws[:, -1] == 1).all()
    assert_mean(draws[:, 1:-1], pixels[1:-1] / 255)


def test_fixed_binarization_is_fixed_and_binary():
    images = Images(torch.randint(256, (10, 20), dtype=torch.uint8), torch.arange(10))
    fixed = images.binarized()
    assert torch.equal(fixed.pixels, images.binarized().pixels)
    assert not torch.equal(fixed.pixels, images.binarized(seed=1).pixels)
    assert torch.equal(binarize(fixed.pixels), fixed.pixels / 255)
