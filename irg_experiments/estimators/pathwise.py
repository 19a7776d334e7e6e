"""Estimators that differentiate f through the sample: explicit and implicit reparameterization.

They differ in how the distribution's ``rsample`` attaches the gradient to the sample, and so in the families they support.
"""

from collections.abc import Callable

import torch.distributions as td
from torch import Tensor
from torch.distributions.relaxed_categorical import ExpRelaxedCategorical

from irg_experiments.estimators.base import Estimator
from irg_experiments.implicit.distributions.base import Reparameterizable


class Pathwise(Estimator):
    """E_q[f(z)] as the mean of f over ``q.rsample``; ∇φ E = E[∇z f(z) ∇φ z] (Figurnov et al. 2018)."""

    pathwise = True

    def expectation(self, f: Callable[[Tensor], Tensor], q: td.Distribution, num_samples: int = 1) -> Tensor:
        """See ``Estimator``."""
        return f(q.rsample((num_samples,))).mean(0)


class Implicit(Pathwise):
    """Implicit reparameterization gradients, for every distribution of ``irg_experiments.implicit``.

    Samples come from any sampler and are differentiated through the implicit rule.

    Source: Figurnov, Mohamed & Mnih (2018).
    """

    label = "implicit"
    families = (Reparameterizable,)


class Explicit(Pathwise):
    """The classic reparameterization z = S⁻¹(ε), for families whose standardization S has an inverse in closed form.

    Source: Kingma & Welling (2013).
    """

    label = "explicit"
    families = (
        td.Normal,
        td.LogNormal,
        td.LogisticNormal,
        td.Laplace,
        td.Gumbel,
        td.Uniform,
        td.Exponential,
        td.Kumaraswamy,
        td.RelaxedOneHotCategorical,
        ExpRelaxedCategorical,
    )
