"""Latent spaces of the VAE: a prior and a family of posteriors each, one geometry a file."""

import math
from collections.abc import Callable
from typing import Any

from irg_experiments.config import unknown
from irg_experiments.errors import UserError
from irg_experiments.models.latents.base import LIMITS, Latent
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


def make_latent(family: str, dim: int, limits: tuple[float, float] = LIMITS, **options: Any) -> Latent:
    """The latent space of a family, with its options.

    Args:
        family: a key of ``LATENTS``.
        dim: D.
        limits: see ``Latent``.
        options: of the family, most of them of its prior.

    Raises:
        UserError: an unknown family, a dimension below 1, limits that are none, or a prior that cannot exist.
    """
    if family not in LATENTS:
        raise UserError(unknown("latent family", family, sorted(LATENTS)))
    if not isinstance(dim, int) or dim < 1:
        raise UserError(f"latent.dim must be a whole number of at least 1, not {dim}. The paper's are 2, 5, 10, 20 and 40.")
    low, high = limits
    if not 0 < low < high < math.inf:
        raise UserError(f"model.limits must be two positive numbers, the smaller first, not {low}, {high}.")
    latent = LATENTS[family](dim, **options)
    latent.limits = (low, high)
    if not _has_prior(latent):
        told = ", ".join(f"latent.{key}={value}" for key, value in options.items())
        raise UserError(f"There is no prior of the family {family} with {told}.")
    return latent


def _has_prior(latent: Latent) -> bool:
    try:
        prior = latent.prior_factor
    except ValueError:  # what torch builds it of may check its parameters
        return False
    constraints = {name: it for name, it in prior.arg_constraints.items() if not it.is_discrete}
    return all(bool(it.check(getattr(prior, name)).all()) for name, it in constraints.items())


__all__ = ["LATENTS", "Latent", "make_latent"]
