"""Latent spaces of the VAE: a prior and a family of posteriors each, one geometry a file."""

from collections.abc import Callable
from typing import Any

from irg_experiments.config import unknown
from irg_experiments.errors import UserError
from irg_experiments.models.latents.base import Latent
from irg_experiments.models.latents.beta import BetaLatent, KumaraswamyLatent
from irg_experiments.models.latents.concrete import ConcreteLatent
from irg_experiments.models.latents.dirichlet import DirichletLatent
from irg_experiments.models.latents.gamma import GammaLatent
from irg_experiments.models.latents.mixture import MixtureLatent
from irg_experiments.models.latents.normal import NormalLatent
from irg_experiments.models.latents.student_t import StudentTLatent
from irg_experiments.models.latents.von_mises import VonMisesLatent
from irg_experiments.models.latents.von_mises_fisher import VonMisesFisherLatent

# family of configs/latent/<name>.yaml -> its class; the other keys are the constructor's arguments
LATENTS: dict[str, Callable[..., Latent]] = {
    "beta": BetaLatent,
    "concrete": ConcreteLatent,
    "dirichlet": DirichletLatent,
    "gamma": GammaLatent,
    "kumaraswamy": KumaraswamyLatent,
    "mixture": MixtureLatent,
    "normal": NormalLatent,
    "student_t": StudentTLatent,
    "von_mises": VonMisesLatent,
    "von_mises_fisher": VonMisesFisherLatent,
}


def make_latent(family: str, dim: int, **options: Any) -> Latent:
    """The latent space of a family, with its options.

    Raises:
        UserError: an unknown family, or a dimension below 1.
    """
    if family not in LATENTS:
        raise UserError(unknown("latent family", family, sorted(LATENTS)))
    if not isinstance(dim, int) or dim < 1:
        raise UserError(f"latent.dim must be a whole number of at least 1, not {dim}. The paper's are 2, 5, 10, 20 and 40.")
    return LATENTS[family](dim, **options)


__all__ = ["LATENTS", "Latent", "make_latent"]
