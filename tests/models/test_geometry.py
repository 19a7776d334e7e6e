"""Pictures of latent spaces as data."""

import numpy as np
import pytest
import torch

from irg_experiments.models.latents import Geometry, Plane, Quadrant, Simplex, Sphere, Square, Torus
from tests.options import build, names

# a product has no geometry, and its dimension follows from its parts
DRAWN = [name for name in names("latent") if name != "product" and build("latent", name).geometry is not None]


@pytest.mark.parametrize("name", DRAWN)
def test_the_picture_of_samples_of_the_prior(name: str):
    latent = build("latent", name)
    geometry = latent.geometry
    points = latent.prior.sample((1000,)).numpy()
    flat = geometry.flat(points)
    assert flat.shape == (1000, 2)
    inside = np.ones(1000, bool)
    for axis, (low, high) in enumerate(geometry.axis_limits(flat)):
        assert low < high
        inside &= (flat[:, axis] >= low) & (flat[:, axis] <= high)
    assert inside.mean() > 0.98
    surface, mesh = geometry.embed(points), geometry.mesh()
    assert (surface is None) == (mesh is None)
    if surface is not None:
        assert surface.shape == (1000, 3)
        assert mesh.shape[0] == 3
        assert mesh.ndim == 3


def on_sphere(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x, axis=0) - 1


def on_torus(x: np.ndarray) -> np.ndarray:
    return np.hypot(np.hypot(x[0], x[1]) - 2, x[2]) - 1


@pytest.mark.parametrize(("name", "distance"), [("von_mises", on_torus), ("von_mises_fisher", on_sphere)])
def test_points_and_mesh_lie_on_the_surface(name: str, distance):
    latent = build("latent", name)
    points = latent.prior.sample((100,)).numpy()
    np.testing.assert_allclose(distance(latent.geometry.embed(points).T), 0, atol=1e-5)
    np.testing.assert_allclose(distance(latent.geometry.mesh()), 0, atol=1e-12)


def test_far_points_do_not_squeeze_the_others():
    points = np.concatenate([np.random.default_rng(0).uniform(1, 2, (5000, 2)), [[1e6, 1e6]]])
    for geometry, low in ((Plane(), 0.9), (Quadrant(), 0.0)):
        for axis in geometry.axis_limits(points):
            assert low <= axis[0] <= 1.01
            assert 1.99 <= axis[1] < 2.2


def test_the_corners_of_the_simplex():
    flat = Simplex().flat(np.eye(3))
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    np.testing.assert_allclose(distances, 1 - np.eye(3), atol=1e-12)


def test_the_code_of_an_angle_does_not_jump_where_it_wraps():
    below, above = (Torus().code(torch.tensor([[angle, 0.0]]), None) for angle in (-torch.pi, torch.pi))
    torch.testing.assert_close(below, above, atol=1e-6, rtol=0)


def test_a_geometry_of_a_users_own_states_its_limits_alone():
    class Strip(Geometry):
        def axis_limits(self, flat):
            return (0.0, 1.0), (-1.0, 1.0)

    points = np.zeros((3, 2))
    assert Strip().flat(points) is points
    assert Strip().embed(points) is None
    with pytest.raises(TypeError, match="abstract"):
        Geometry()
    assert not any(geometry.glued for geometry in (Plane(), Quadrant(), Square(), Sphere(), Simplex()))
