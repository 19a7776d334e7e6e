"""Cross-entropies −E_q[log p(z)] whose gradient in one parameter of q is known, over a sweep of that parameter."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.experiments.cross_entropy.config import DirichletSettings, VonMisesSettings
from irg_experiments.implicit import Dirichlet, VonMises


@dataclass(frozen=True, eq=False)
class Sweep:
    """A family of distributions q over values of one parameter, and the loss whose mean under q is differentiated.

    Attributes:
        name: of the distribution.
        values: of the swept parameter, shape (points,).
        exact: the gradient of the mean loss at each of them, in closed form.
        family: the class of q.
        q: the distribution for values of the swept parameter, of any shape.
        loss: −log p of samples.
    """

    name: str
    values: Tensor
    exact: Tensor
    family: type[Distribution]
    q: Callable[[Tensor], Distribution]
    loss: Callable[[Tensor], Tensor]


def dirichlet_sweep(settings: DirichletSettings, points: int, dtype: torch.dtype, device: torch.device) -> Sweep:
    """Dirichlet prior and multinomial counts; q is the posterior but for its first concentration α₁.

    With w_k = α₀ − 1 + x_k for prior concentrations α₀ and counts x,

        −log p(θ, x) = −Σ w_k log θ_k + constant,    d/dα₁ E_q[−log p] = −w₁ ψ₁(α₁) + ψ₁(Σα) Σ w_k.

    The constant is included, because it adds variance to methods that multiply by log p.

    Args:
        settings: of the config.
        points: number of values of α₁.
        dtype, device: of the tensors.

    Source: Naesseth, Ruiz, Linderman & Blei (2017).
    """
    k, prior = settings.components, settings.prior
    counts = torch.tensor(multinomial_counts(k, settings.trials, settings.counts_seed), dtype=dtype, device=device)
    weights, rest = prior - 1 + counts, prior + counts[1:]
    total = counts.sum()
    constant = torch.lgamma(total + 1) - torch.lgamma(counts + 1).sum() + math.lgamma(k * prior) - k * math.lgamma(prior)
    values = torch.linspace(settings.sweep[0], settings.sweep[1], points, dtype=dtype, device=device)

    def q(first: Tensor) -> Distribution:
        return Dirichlet(torch.cat([first.unsqueeze(-1), rest.expand(*first.shape, -1)], -1), validate_args=False)

    def loss(theta: Tensor) -> Tensor:
        return -torch.xlogy(weights, theta).sum(-1) - constant

    trigamma = torch.polygamma(1, values), torch.polygamma(1, values + rest.sum())
    exact = -weights[0] * trigamma[0] + weights.sum() * trigamma[1]
    return Sweep("Dirichlet", values, exact, Dirichlet, q, loss)


def multinomial_counts(components: int, trials: int, seed: int) -> list[int]:
    """Multinomial counts whose probabilities are uniform on the simplex.

    NumPy's legacy generator is used because it gives the counts of Naesseth et al. (2017).
    """
    random = np.random.RandomState(seed)
    return random.multinomial(trials, random.dirichlet(np.ones(components))).tolist()


def von_mises_sweep(settings: VonMisesSettings, points: int, dtype: torch.dtype, device: torch.device) -> Sweep:
    """q = vM(0, κ) and p = vM(loc, κ_p): E_q[−log p] = −κ_p cos(loc) A(κ) + constant, A = I₁/I₀, A' = 1 − A/κ − A².

    Args:
        settings: of the config.
        points: number of values of κ.
        dtype, device: of the tensors.
    """
    low, high = (math.log10(end) for end in settings.sweep)
    values = torch.logspace(low, high, points, dtype=dtype, device=device)
    loc, concentration = (torch.tensor(x, dtype=dtype, device=device) for x in (settings.loc, settings.concentration))
    p, zero = VonMises(loc, concentration, validate_args=False), torch.zeros((), dtype=dtype, device=device)
    mean = torch.special.i1e(values) / torch.special.i0e(values)
    exact = -concentration * loc.cos() * (1 - mean / values - mean * mean)

    def q(kappa: Tensor) -> Distribution:
        return VonMises(zero, kappa, validate_args=False)

    return Sweep("von Mises", values, exact, VonMises, q, lambda z: -p.log_prob(z))
