from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from irg_experiments.results import figures
from irg_experiments.results.curves import Curve
from irg_experiments.results.figures import compared_curves, learning_curve, metrics_over_steps


@pytest.mark.parametrize("reference", [None, ("paper", 22.0)])
def test_learning_curves_are_drawn_around_values_that_are_not_finite(tmp_path: Path, reference: tuple[str, float] | None):
    rows = [{"step": 1, "train_loss": 3.0}, {"step": 2, "x": 30.0}, {"step": 3, "x": None}, {"step": 4, "x": 25.0}]
    path = learning_curve(tmp_path / "a" / "curve.png", rows, "x", reference)
    assert matplotlib.image.imread(path).std() > 0


def test_curves_of_several_configurations_are_drawn(tmp_path: Path):
    steps, mean = np.array([1.0, 2.0, 3.0]), np.array([3.0, np.nan, 1.0])
    curves = {"one run": Curve(steps, steps / 2, mean, None), "several": Curve(steps, steps / 3, mean, mean / 10)}
    assert matplotlib.image.imread(compared_curves(tmp_path / "curves.png", curves, "perplexity")).std() > 0


def test_more_curves_than_colours_differ_in_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn: list[tuple[str, str]] = []

    def save(figure: Figure, path: Path) -> None:
        drawn.extend((line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines)

    monkeypatch.setattr(figures, "save", save)
    steps = np.array([1.0, 2.0])
    curves = {str(number): Curve(steps, steps, steps + number, None) for number in range(25)}
    compared_curves(tmp_path / "curves.png", curves, "perplexity")
    assert len(set(drawn)) == 25


def test_metrics_are_drawn_with_gaps_where_they_are_not_finite(tmp_path: Path):
    rows = [
        {"step": 1, "variance_rsvi": 1.0},
        {"step": 2, "variance_rsvi": 0.5, "variance_implicit": 0.1, "loss": 3.0},
        {"step": 3, "variance_rsvi": None, "variance_implicit": None},
    ]
    names = {"variance_rsvi": "RSVI, B = 1", "variance_implicit": "implicit"}
    path = metrics_over_steps(tmp_path / "variance.png", rows, names, "variance")
    assert matplotlib.image.imread(path).std() > 0
