from pathlib import Path

import matplotlib.image
import numpy as np

from irg_experiments.results import figures


def test_figures_are_written(tmp_path: Path):
    rows = [{"step": 1, "train_loss": 3.0}, {"step": 2, "test_perplexity": 30.0}, {"step": 4, "test_perplexity": 25.0}]
    paths = [
        figures.learning_curve(tmp_path / "a" / "curve.png", rows, "test_perplexity", ("paper", 22.0)),
        figures.topic_weights(tmp_path / "weights.png", np.array([0.2, 0.5, 0.3]), 0.25, 1e-3),
        figures.topic_images(tmp_path / "topics.png", {"true": np.eye(4), "learned": np.eye(4)}, 2),
    ]
    for path in paths:
        image = matplotlib.image.imread(path)
        assert image.std() > 0
