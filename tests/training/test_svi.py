import pytest

from irg_experiments.training.svi import SVI
from tests.options import build


def test_step_sizes():
    assert [SVI(offset=4, decay=0.5).step_size(step) for step in (0, 5, 12)] == pytest.approx([1 / 2, 1 / 3, 1 / 4])


def test_labels():
    assert build("method", "svi").label == "SVI"  # the name of the paper's table
    assert build("method", "svi", prior="learned").label == "SVI, learned prior"
