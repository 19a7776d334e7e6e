"""Latent spaces of the VAE: a prior and a family of posteriors each, one family per file, and their geometries."""

from irg_experiments.models.latents.base import Latent
from irg_experiments.models.latents.beta import BetaLatent, KumaraswamyLatent
from irg_experiments.models.latents.concrete import ConcreteLatent
from irg_experiments.models.latents.dirichlet import DirichletLatent
from irg_experiments.models.latents.gamma import GammaLatent
from irg_experiments.models.latents.geometry import Geometry, Plane, Quadrant, Simplex, Sphere, Square, Torus
from irg_experiments.models.latents.mixture import MixtureLatent
from irg_experiments.models.latents.normal import NormalLatent
from irg_experiments.models.latents.product import ProductLatent, product_latent
from irg_experiments.models.latents.student_t import StudentTLatent
from irg_experiments.models.latents.von_mises import VonMisesLatent
from irg_experiments.models.latents.von_mises_fisher import VonMisesFisherLatent

__all__ = [
    "BetaLatent",
    "ConcreteLatent",
    "DirichletLatent",
    "GammaLatent",
    "Geometry",
    "KumaraswamyLatent",
    "Latent",
    "MixtureLatent",
    "NormalLatent",
    "Plane",
    "ProductLatent",
    "Quadrant",
    "Simplex",
    "Sphere",
    "Square",
    "StudentTLatent",
    "Torus",
    "VonMisesFisherLatent",
    "VonMisesLatent",
    "product_latent",
]
