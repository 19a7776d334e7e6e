"""The implicit gradient with the derivative of the distribution function taken by finite differences."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.estimators.reparameterized import Draw, Reparameterized
from irg_experiments.estimators.standard import GAMMA_FAMILIES, base_of
from irg_experiments.estimators.surrogate import attach
from irg_experiments.implicit.distributions.student_t import StudentT
from irg_experiments.implicit.distributions.tails import survival_function
from irg_experiments.implicit.distributions.von_mises import VonMises
from irg_experiments.implicit.sampling import standard_log_gamma, standard_von_mises
from irg_experiments.implicit.special.log_gamma import log_gamma_cdf_difference, log_gamma_density
from irg_experiments.implicit.special.von_mises import von_mises_cdf

# each parameter is positive, or a location in a family that also has a scale
UNIVARIATE = (td.Normal, td.LogNormal, td.Laplace, td.Cauchy, td.Gumbel, td.Exponential, td.Weibull, td.Kumaraswamy, StudentT)


class FiniteDifference(Reparameterized):
    """dz/dφ = −(F_{φ+h}(z) − F_{φ−h}(z)) / (2h q_φ(z)), with h = ∛ε of the dtype times the scale of φ.

    The scale of a positive parameter is the parameter itself; the scale of a location is q's ``scale``. Gamma, Beta and
    Dirichlet use the difference in the shape a of each Gamma, with the scale min(a, √a); von Mises uses the difference in its
    concentration κ, with the scale max(κ, 1). Rates and the von Mises location have exact derivatives. The difference is taken
    of the smaller tail of F, where q provides both.

    Median relative error of dz/da of the Gamma for shapes 1e-3 to 1e4, and of dz/dκ for κ 1e-2 to 1e3: 3e-11 in float64; 2e-5
    in float32, and 2e-4 and 3e-3 at shapes 1e3 and 1e4. In the tails up to five more digits are lost. The derivatives of
    E[log z], E[z] and E[z²] have a relative bias of 2e-8 at most in float64, and for shapes 0.1 to 1e3 of 2e-4 in float32.

    Source: Figurnov, Mohamed & Mnih (2018), who compare with it.
    """

    label = "finite difference"
    families = (*GAMMA_FAMILIES, td.VonMises, *UNIVARIATE)

    def draw_log_gamma(self, a: Tensor) -> Draw:
        """See ``Reparameterized``."""
        log_g = standard_log_gamma(a)
        return Draw(log_g, log_gamma_slope(a, log_g))

    def draw_angle(self, concentration: Tensor) -> Draw:
        """See ``Reparameterized``."""
        angle = standard_von_mises(concentration)
        return Draw(angle, angle_slope(concentration, angle))

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``Estimator``."""
        base = base_of(q)
        if isinstance(base, (*GAMMA_FAMILIES, td.VonMises)):
            return super().expectation(f, q, num_samples)
        sample = base.sample((num_samples,))
        for name, parameter in _parameters(base).items():
            with torch.no_grad():
                slope = sample_slope(base, name, sample)
            sample = attach(sample, slope, parameter.expand_as(sample)) + (sample - sample.detach())
        return f(sample).mean(0)


def log_gamma_slope(a: Tensor, log_g: Tensor) -> Tensor:
    """d log g/da of g ~ Gamma(a, 1)."""
    low, high = _neighbours(a, torch.minimum(a, a.sqrt()))
    difference = log_gamma_cdf_difference(low, log_g, high, log_g)
    return -difference / ((high - low) * log_gamma_density(a, log_g))


def angle_slope(concentration: Tensor, angle: Tensor) -> Tensor:
    """dz/dκ of z ~ vM(0, κ)."""
    low, high = _neighbours(concentration, concentration.clamp(min=1.0))
    low = low.clamp(min=0.0)
    lower_tail = -angle.abs()
    difference = von_mises_cdf(lower_tail, high) - von_mises_cdf(lower_tail, low)
    density = VonMises(torch.zeros_like(angle), concentration, validate_args=False).log_prob(angle).exp()
    return angle.sign() * difference / ((high - low) * density)


def _neighbours(parameter: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The parameter one step below and one step above."""
    step = torch.finfo(parameter.dtype).eps ** (1 / 3) * scale
    return parameter - step, parameter + step


def _parameters(q: td.Distribution) -> dict[str, Tensor]:
    return {name: getattr(q, name) for name in q.arg_constraints}


def sample_slope(q: td.Distribution, name: str, sample: Tensor) -> Tensor:
    """The derivative of samples of q with respect to its parameter ``name``."""
    parameters = _parameters(q)
    parameter = parameters[name]
    scale = parameter if q.arg_constraints[name] is td.constraints.positive else parameters["scale"]
    low, high = _neighbours(parameter, scale)
    family: Any = type(q)
    below, above = (family(**{**parameters, name: value}, validate_args=False) for value in (low, high))
    lower = above.cdf(sample) - below.cdf(sample)
    upper = survival_function(below, sample) - survival_function(above, sample)
    difference = torch.where(q.cdf(sample) < 0.5, lower, upper)
    return -difference / ((high - low) * q.log_prob(sample).exp())
