from pathlib import Path

import torch

from irg_experiments.data import digits

ROOT = Path("unused")


def test_digits_are_split_the_same_way_every_time():
    first, second = digits.load(ROOT), digits.load(ROOT)
    assert [len(part) for part in (first.train, first.validation, first.test)] == [1197, 300, 300]
    assert torch.equal(first.test.pixels, second.test.pixels)
    assert first.train.pixels.dtype == torch.uint8
    assert first.train.pixels.max() == 255
    assert first.train.labels is not None
    assert first.train.labels.unique().tolist() == list(range(10))


def test_without_validation_images_training_has_them_all():
    data, usual = digits.load(ROOT, validation=0), digits.load(ROOT)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1497, 0, 300]
    assert torch.equal(data.train.pixels, torch.cat([usual.train.pixels, usual.validation.pixels]))
    assert torch.equal(data.test.pixels, usual.test.pixels)
