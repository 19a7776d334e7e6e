from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from irg_experiments.results import figures_vae
from irg_experiments.results.tables_vae import NLL_HEADER, nll_rows, paper_nll


def record(**changes: Any) -> dict[str, Any]:
    metrics = {"test_nll": 130.0, "test_negative_elbo": 133.0, "test_kl": 6.0, "test_active_units": 2}
    metrics |= {"test_knn_accuracy_1000": 0.75, "best_step": 1000}
    latent = {"name": changes.pop("latent", "von_mises"), "dim": changes.pop("dim", 2)}
    values: dict[str, Any] = {
        "status": "done",
        "experiment": "vae",
        "method": "implicit",
        "data": "mnist",
        "budget": "paper",
        "seed": 0,
    }
    command = "irg-run experiment=vae latent=von_mises seed=0"
    values |= {"command": command, "metrics": metrics, "config": {"latent": latent}}
    return {**values, **changes}


def test_rows_hold_the_mean_over_seeds_beside_the_paper():
    second = record(seed=1, command="irg-run experiment=vae latent=von_mises seed=1")
    second["metrics"] = {**second["metrics"], "test_nll": 131.0, "test_active_units": 1}
    (row,) = nll_rows([second, record()])
    cells = dict(zip(NLL_HEADER, row, strict=True))
    assert cells["test NLL"] == "130.5 ± 0.7"
    assert cells["paper (from memory)"] == "127.6 ± 0.4"
    assert cells["active units"] == "1.5"
    assert cells["command"] == "`irg-run -m experiment=vae latent=von_mises seed=0,1`"


def test_dimensions_are_in_the_order_of_their_size_and_others_are_left_out():
    others = [record(status="failed"), record(experiment="lda"), record(dim=3, latent="normal")]
    rows = nll_rows([record(dim=10), *others, record(dim=2)])
    assert [row[:2] for row in rows] == [["normal", "3"], ["von_mises", "2"], ["von_mises", "10"]]
    assert rows[0][5] == "–"


def test_the_paper_is_quoted_for_its_own_setting_alone():
    assert paper_nll(record()) is not None
    assert paper_nll(record(data="digits")) is None
    assert paper_nll(record(method="rsvi")) is None
    assert paper_nll(record(latent="dirichlet")) is None
    (row,) = nll_rows([record(latent="von_mises_fisher", dim=10)])
    assert row[5] == "93.2"


@pytest.mark.parametrize("geometry", ["plane", "square", "quadrant", "torus", "sphere", "simplex"])
@pytest.mark.parametrize("labelled", [True, False])
def test_latent_spaces_are_drawn(tmp_path: Path, geometry: str, labelled: bool):
    random = np.random.default_rng(0)
    means = random.dirichlet(np.ones(3), 50) if geometry in ("sphere", "simplex") else random.random((50, 2))
    if geometry == "sphere":
        means = means / np.linalg.norm(means, axis=1, keepdims=True)
    labels = random.integers(0, 10, 50) if labelled else None
    paths = list(figures_vae.latent_space(tmp_path, means, labels, geometry))
    assert len(paths) == (2 if geometry in ("torus", "sphere") else 1)
    for path in paths:
        assert matplotlib.image.imread(path).std() > 0


def test_images_and_variances_are_drawn(tmp_path: Path):
    rows = [{"step": 1, "variance_rsvi": 1.0}, {"step": 2, "variance_rsvi": 0.5, "variance_implicit": 0.1, "loss": 3.0}]
    images = np.random.default_rng(0).random((2, 3, 16))
    for path in (
        figures_vae.image_grid(tmp_path / "grid.png", images, 4),
        figures_vae.image_grid(tmp_path / "apart.png", images, 4, 1),
        figures_vae.gradient_variance(tmp_path / "variance.png", rows, "variance_"),
    ):
        assert matplotlib.image.imread(path).std() > 0
