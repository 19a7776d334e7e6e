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
        mean: of the loss under q at each of them, in closed form.
        exact: the gradient of ``mean``.
        family: the class of q.
        q: the distribution for values of the swept parameter, of any shape.
        loss: −log p of samples.
    """

    name: str
    values: Tensor
    mean: Tensor
    exact: Tensor
    family: type[Distribution]
    q: Callable[[Tensor], Distribution]
    loss: Callable[[Tensor], Tensor]


def dirichlet_sweep(settings: DirichletSettings, points: int, dtype: torch.dtype, device: torch.device) -> Sweep:
    """Dirichlet prior and multinomial counts; q is the posterior but for its first concentration α₁.

    With w_k = α₀ − 1 + x_k for prior concentrations α₀ and counts x,

        −log p(θ, x) = −Σ w_k log θ_k − c,    E_q[−log p] = −Σ w_k (ψ(α_k) − ψ(Σα)) − c,
        d/dα₁ E_q[−log p] = −w₁ ψ₁(α₁) + ψ₁(Σα) Σ w_k.

    The variance of methods that multiply by log p depends on c. For the joint density, with N trials and K components,
    c = ln N! − Σ ln x_k! + ln Γ(Kα₀) − K ln Γ(α₀).

    Args:
        settings: of the config.
        points: number of values of α₁.
        dtype, device: of the tensors.

    Source: Naesseth, Ruiz, Linderman & Blei (2017).
    """
    k, prior = settings.components, settings.prior
    counts = torch.tensor(multinomial_counts(k, settings.trials, settings.counts_seed), dtype=dtype, device=device)
    weights, rest = prior - 1 + counts, prior + counts[1:]
    constant = _log_constant(settings, counts)
    values = torch.linspace(settings.sweep[0], settings.sweep[1], points, dtype=dtype, device=device)

    def q(first: Tensor) -> Distribution:
        return Dirichlet(torch.cat([first.unsqueeze(-1), rest.expand(*first.shape, -1)], -1), validate_args=False)

    def loss(theta: Tensor) -> Tensor:
        return -torch.xlogy(weights, theta).sum(-1) - constant

    total = values + rest.sum()
    others = (weights[1:] * torch.digamma(rest)).sum()
    mean = -weights[0] * torch.digamma(values) - others + weights.sum() * torch.digamma(total) - constant
    exact = -weights[0] * torch.polygamma(1, values) + weights.sum() * torch.polygamma(1, total)
    return Sweep("Dirichlet", values, mean, exact, Dirichlet, q, loss)


def _log_constant(settings: DirichletSettings, counts: Tensor) -> float:
    """c: what log p(θ, x) adds to Σ w_k log θ_k."""
    if settings.constant == "none":
        return 0.0
    k, prior = settings.components, settings.prior
    of_prior = math.lgamma(k * prior) - k * math.lgamma(prior)
    orders = math.lgamma(settings.trials + 1) + of_prior
    return orders if settings.constant == "notebook" else orders - torch.lgamma(counts.double() + 1).sum().item()


def multinomial_counts(components: int, trials: int, seed: int) -> list[int]:
    """Multinomial counts whose probabilities are uniform on the simplex.

    NumPy's legacy generator is used because it gives the counts of Naesseth et al. (2017).
    """
    random = np.random.RandomState(seed)
    return random.multinomial(trials, random.dirichlet(np.ones(components))).tolist()


def von_mises_sweeps(settings: VonMisesSettings, points: int, dtype: torch.dtype, device: torch.device) -> list[Sweep]:
    """q = vM(0, κ) and p = vM(loc, κp), a sweep over κ for each κp; with A = I₁/I₀ and A' = 1 − A/κ − A²,

        E_q[−log p] = −κp cos(loc) A(κ) + ln(2π I₀(κp)),    d/dκ E_q[−log p] = −κp cos(loc) A'(κ).

    Args:
        settings: of the config.
        points: number of values of κ.
        dtype, device: of the tensors.
    """
    several = len(settings.concentrations) > 1
    return [
        _von_mises_sweep(settings, it, f"von Mises, κp = {it:g}" if several else "von Mises", points, dtype, device)
        for it in settings.concentrations
    ]


def _von_mises_sweep(
    settings: VonMisesSettings, of_p: float, name: str, points: int, dtype: torch.dtype, device: torch.device
) -> Sweep:
    low, high = (math.log10(end) for end in settings.sweep)
    values = torch.logspace(low, high, points, dtype=dtype, device=device)
    loc, concentration = (torch.tensor(x, dtype=dtype, device=device) for x in (settings.loc, of_p))
    p, zero = VonMises(loc, concentration, validate_args=False), torch.zeros((), dtype=dtype, device=device)
    cosine = torch.special.i1e(values) / torch.special.i0e(values)  # A
    mean = -concentration * loc.cos() * cosine + concentration + (2 * math.pi * torch.special.i0e(concentration)).log()
    exact = -concentration * loc.cos() * (1 - cosine / values - cosine * cosine)

    def q(kappa: Tensor) -> Distribution:
        return VonMises(zero, kappa, validate_args=False)

    return Sweep(name, values, mean, exact, VonMises, q, lambda z: -p.log_prob(z))
