"""The chi-squared distribution."""

import torch

from irg_experiments.implicit.distributions.gamma import Gamma


class Chi2(Gamma, torch.distributions.Chi2):
    """Chi2(df) = Gamma(df/2, 1/2), the sum of df squared standard normals, drop-in for ``torch.distributions.Chi2``.

    Args:
        df: degrees of freedom > 0, not necessarily an integer.

    Sampler, gradient, distribution function and KL divergence are those of ``Gamma``.
    """
