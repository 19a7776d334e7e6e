from pathlib import Path

import matplotlib.image
import pytest

from irg_experiments.results.figures import learning_curve


@pytest.mark.parametrize("reference", [None, ("paper", 22.0)])
def test_learning_curves_are_drawn_around_values_that_are_not_finite(tmp_path: Path, reference: tuple[str, float] | None):
    rows = [{"step": 1, "train_loss": 3.0}, {"step": 2, "x": 30.0}, {"step": 3, "x": None}, {"step": 4, "x": 25.0}]
    path = learning_curve(tmp_path / "a" / "curve.png", rows, "x", reference)
    assert matplotlib.image.imread(path).std() > 0
