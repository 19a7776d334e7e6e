"""Beta codes, and Kumaraswamy codes, their explicitly reparameterized surrogate."""

from typing import ClassVar

import torch
import torch.distributions as td
from torch import Tensor, sigmoid

from irg_experiments.config.types import Count
from irg_experiments.implicit.distributions.beta import Beta, kl_beta_beta
from irg_experiments.implicit.distributions.kumaraswamy import Kumaraswamy
from irg_experiments.models.common import PriorParameter
from irg_experiments.models.latents.base import Latent, Posterior, factorised, pieces
from irg_experiments.models.latents.geometry import Square


class BetaLatent(Latent):
    """q = Beta(concentration1, concentration0) in each coordinate.

    By location and precision, concentration1 = s m and concentration0 = s (1 − m) with the mean m = sigmoid(u) and the sum
    s = 2 c exp(v), for a prior with both parameters c; u, v are outputs of the encoder.

    Args:
        dim: D.
        concentration: both parameters of the prior, from 1e-6 to 1e6; 1 is the uniform distribution.
    """

    family: ClassVar[type[td.Distribution]] = Beta
    geometry = Square()
    concentration: Tensor

    def __init__(self, dim: Count, concentration: PriorParameter) -> None:
        super().__init__(dim, 2 * dim, dim)
        self.constant("concentration", torch.full((dim,), float(concentration)))

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        if self.natural:
            concentration1, concentration0 = pieces(self.positive(outputs), 2)
        else:
            location, precision = pieces(outputs, 2)
            total = self.positive(precision, 2 * self.concentration)
            concentration1, concentration0 = (self.limited(total * sigmoid(it)) for it in (location, -location))
        return factorised(Beta(concentration1, concentration0, validate_args=False))

    @property
    def prior(self) -> td.Distribution:
        """See ``Latent``."""
        return factorised(Beta(self.concentration, self.concentration, validate_args=False))

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return kl_beta_beta(q.base_dist, self.prior_factor).sum(-1)


class KumaraswamyLatent(BetaLatent):
    """q = Kumaraswamy(a, b) in each coordinate, a surrogate of the Beta whose inverse has a closed form; uniform prior.

    KL(q ‖ prior) = −H(q) = (1 − 1/a)(−γ − ψ(b + 1)) − (1 − 1/b) + ln(ab), since the prior's log-density is zero.

    Args:
        dim: D.

    Source: Nalisnick & Smyth (2017).
    """

    family = Kumaraswamy

    def __init__(self, dim: Count) -> None:
        super().__init__(dim, 1.0)

    def posterior(self, outputs: Tensor) -> td.Distribution:
        """See ``Latent``."""
        a, b = pieces(self.positive(outputs), 2)
        return factorised(Kumaraswamy(a, b, validate_args=False))

    def kl(self, q: Posterior) -> Tensor | None:
        """See ``Latent``."""
        return -q.base_dist.entropy().sum(-1)
