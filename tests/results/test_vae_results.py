from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from omegaconf import OmegaConf

from irg_experiments.config import config_directory
from irg_experiments.results import figures_vae
from irg_experiments.results.paper import Figure
from irg_experiments.results.tables_vae import NLL_HEADER, nll_rows, paper_nll


def record(**changes: Any) -> dict[str, Any]:
    metrics = {"test_nll": 130.0, "test_negative_elbo": 133.0, "test_kl": 6.0, "test_active_units": 2}
    metrics |= {"test_knn_accuracy_1000": 0.75, "best_step": 1000}
    file = config_directory() / "latent" / f"{changes.pop('latent', 'von_mises')}.yaml"
    latent = {**OmegaConf.load(file), "dim": changes.pop("dim", 2), **changes.pop("options", {})}
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
    assert paper_nll(record(options={"compare": []})) is not None
    assert paper_nll(record(options={"concentration": 10.0})) is None
    assert paper_nll(record(options={"name": "mine"})) is None


def test_a_spread_of_nought_is_printed_and_an_unknown_one_is_not():
    rows = nll_rows([record(latent="normal", dim=40), record(latent="von_mises_fisher", dim=10)])
    assert [row[5] for row in rows] == ["88.1 ± 0.0", "93.2"]
    assert str(Figure(876, 7)) == "876 ± 7"


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


@pytest.mark.parametrize("gap", [0, 1])
def test_images_land_in_their_row_and_column(tmp_path: Path, gap: int):
    images = np.zeros((2, 3, 4, 4))
    images[1, 0] = 1.0
    images[0, 2, :, :2] = 1.0
    path = figures_vae.image_grid(tmp_path / "grid.png", images.reshape(2, 3, 16), 4, gap)
    dark = matplotlib.image.imread(path)[..., 0] < 0.5
    # the frame is the outermost that is dark
    inside = dark[np.ix_(dark.any(1), dark.any(0))][2:-2, 2:-2]
    share = [[cell.mean() for cell in np.array_split(row, 3, 1)] for row in np.array_split(inside, 2, 0)]
    whole = (4 / (4 + 2 * gap)) ** 2
    np.testing.assert_allclose(share, [[0, 0, whole / 2], [whole, 0, 0]], atol=0.08)
    half = np.array_split(inside, 2, 0)[0][:, -inside.shape[1] // 3 :]
    assert half[:, : half.shape[1] // 2].mean() > half[:, half.shape[1] // 2 :].mean() + 0.3


def test_variances_are_drawn(tmp_path: Path):
    rows = [{"step": 1, "variance_rsvi": 1.0}, {"step": 2, "variance_rsvi": 0.5, "variance_implicit": 0.1, "loss": 3.0}]
    path = figures_vae.gradient_variance(tmp_path / "variance.png", rows, "variance_")
    assert matplotlib.image.imread(path).std() > 0
