"""The step sizes of stochastic variational inference."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from irg_experiments.config.types import Must

Offset = Annotated[float, Strict(), Field(ge=1, allow_inf_nan=False), Must("a number of at least 1")]
Decay = Annotated[float, Strict(), Field(gt=0, le=1, allow_inf_nan=False), Must("a number above 0 and at most 1")]


class SVI:
    """Stochastic variational inference: natural gradient steps ρ_t = (offset + t)^−decay on the parameters of q, t = 0, 1, …

    The counterpart of an ``Estimator`` and an optimiser for models whose natural gradients have a closed form. The arguments of
    the constructor are the options of ``configs/method/svi.yaml``.

    Args:
        offset: τ0 ≥ 1; a larger one makes the first steps smaller.
        decay: κ; Σ ρ_t² is finite, and convergence guaranteed, above 0.5.
        prior: whether the concentrations of the priors keep their initial values or follow Newton steps, times ρ_t.

    Source: Hoffman, Blei & Bach (2010), section 2.3; Hoffman, Blei, Wang & Paisley (2013), equation 26.
    """

    def __init__(self, offset: Offset = 1024.0, decay: Decay = 0.7, prior: Literal["fixed", "learned"] = "fixed") -> None:
        self.offset, self.decay, self.prior = offset, decay, prior

    @property
    def label(self) -> str:
        """Name for tables, without the step sizes."""
        return "SVI" if self.prior == "fixed" else "SVI, learned prior"

    def step_size(self, step: int) -> float:
        """ρ_t of a step, counted from 0."""
        return float((self.offset + step) ** -self.decay)
