from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from irg_experiments.experiments.vae import figures
from irg_experiments.experiments.vae.pictures import latent_space
from irg_experiments.models.latents import Geometry, Plane, Quadrant, Simplex, Sphere, Square, Torus


@pytest.mark.parametrize("geometry", [Plane(), Square(), Quadrant(), Torus(), Sphere(), Simplex()])
@pytest.mark.parametrize("labelled", [True, False])
def test_latent_spaces_are_drawn(tmp_path: Path, geometry: Geometry, labelled: bool):
    random = np.random.default_rng(0)
    means = random.dirichlet(np.ones(3), 50) if isinstance(geometry, Sphere | Simplex) else random.random((50, 2))
    if isinstance(geometry, Sphere):
        means = means / np.linalg.norm(means, axis=1, keepdims=True)
    arrays = latent_space(geometry, means)
    if labelled:
        arrays["labels"] = random.integers(0, 10, 50)
    paths = [figures.latent_space(tmp_path / "latent_space.png", arrays)]
    assert ("points" in arrays) == isinstance(geometry, Torus | Sphere)
    if "points" in arrays:
        paths.append(figures.latent_space_3d(tmp_path / "latent_space_3d.png", arrays))
    for path in paths:
        assert matplotlib.image.imread(path).std() > 0


@pytest.mark.parametrize("gap", [0, 1])
def test_images_land_in_their_row_and_column(tmp_path: Path, gap: int):
    images = np.zeros((2, 3, 4, 4), np.uint8)
    images[1, 0] = 255
    images[0, 2, :, :2] = 255
    path = figures.image_grid(tmp_path / "grid.png", images.reshape(2, 3, 16), 4, gap)
    dark = matplotlib.image.imread(path)[..., 0] < 0.5
    # the frame is the outermost that is dark
    inside = dark[np.ix_(dark.any(1), dark.any(0))][2:-2, 2:-2]
    share = [[cell.mean() for cell in np.array_split(row, 3, 1)] for row in np.array_split(inside, 2, 0)]
    whole = (4 / (4 + 2 * gap)) ** 2
    np.testing.assert_allclose(share, [[0, 0, whole / 2], [whole, 0, 0]], atol=0.08)
    half = np.array_split(inside, 2, 0)[0][:, -inside.shape[1] // 3 :]
    assert half[:, : half.shape[1] // 2].mean() > half[:, half.shape[1] // 2 :].mean() + 0.3


def test_the_committed_runs_have_the_pictures_of_their_metrics(tmp_path: Path):
    directories = [*(Path(__file__).parents[3] / "outputs/reference/vae").glob("mnist-von_mises-2-implicit-paper-*")]
    assert directories
    for directory in directories:
        drawn = {figure.name: figure.draw(tmp_path / f"{figure.name}.png") for figure in figures.figures(directory, {})}
        assert set(drawn) == {"learning_curve", "gradient_variance"}
