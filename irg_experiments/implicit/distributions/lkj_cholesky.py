"""The LKJ distribution of the Cholesky factors of correlation matrices."""

import math
from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.nn.functional import logsigmoid
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import broadcast_parameters, in_float64
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.distributions.hyperspherical_uniform import uniform_direction
from irg_experiments.implicit.special.gamma_ratio import digamma_difference, log_gamma_ratio


class LKJCholesky(Reparameterizable, torch.distributions.LKJCholesky):
    """LKJCholesky(dim, η), density ∝ ∏ L_ii^(2η − 2 + d − i), i = 2..d, of L; drop-in for torch's, with ``rsample``.

    L is the Cholesky factor of a correlation matrix R = L Lᵀ of density ∝ |R|^(η−1); the density of L is with respect to its
    entries below the diagonal.

    Args:
        dim: d ≥ 2, the size of the matrices.
        concentration: η > 0; R is uniform for η = 1 and approaches the identity as η → ∞.
        validate_args: whether to check arguments and values.

    Raises:
        ValueError: ``dim`` is below 2.

    ``rsample`` builds L row by row (the onion method): row i of length 1 has the part (√y u, √(1 − y)), u a uniform direction
    in i − 1 dimensions and y ~ Beta((i−1)/2, η + (d−i)/2), as the sigmoid of a difference of two log-Gammas, of which the
    second carries its implicit gradient in η. Both √y and √(1 − y) keep their relative accuracy. Entries on the diagonal below
    the square root of the smallest normal number of the dtype, which occur for η below about 0.1, are returned as that root.

    For d > 2 the draws of torch's own sampler have another distribution: its y has the first parameter i − 3/2.

    Source: Lewandowski, Kurowicka & Joe (2009), section 3.2; Figurnov, Mohamed & Mnih (2018) for the gradient.
    """

    def __init__(self, dim: int, concentration: Tensor | float = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"dim must be an integer of at least 2, not {dim}")
        self.dim = dim
        (self.concentration,) = broadcast_parameters(concentration)
        # torch's own __init__ makes a Beta distribution, whose validation torch.func.vmap does not support
        torch.distributions.Distribution.__init__(self, self.concentration.shape, Size((dim, dim)), validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return self._expand(batch_shape, _instance)  # torch's needs the attributes of its own sampler

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        half_counts, others = (b.expand(*shape[:-2], self.dim - 1) for b in self._betas())
        odds = log_gamma_rsample(half_counts, generator) - log_gamma_rsample(others, generator)
        least = 0.5 * math.log(torch.finfo(odds.dtype).tiny)
        size, diagonal = ((0.5 * logsigmoid(x)).clamp(min=least).exp() for x in (odds, -odds))
        directions = [
            torch.nn.functional.pad(uniform_direction((*shape[:-2], i), odds, generator), (0, self.dim - i))
            for i in range(1, self.dim)
        ]
        rows = size.unsqueeze(-1) * torch.stack(directions, -2)
        below = torch.cat([torch.zeros_like(rows[..., :1, :]), rows], -2)
        return below + torch.diag_embed(torch.cat([torch.ones_like(diagonal[..., :1]), diagonal], -1))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density with respect to the d (d − 1)/2 entries below the diagonal, in nats."""
        log_diagonal = self._validated(value).diagonal(dim1=-2, dim2=-1)[..., 1:].log()
        return (self._orders() * log_diagonal).sum(-1) - self._log_normaliser()

    def entropy(self) -> Tensor:
        """The entropy in nats, by E[ln L_ii] = (ψ(b) − ψ(a + b))/2 for L_ii² ~ Beta(b, a)."""
        return self._log_normaliser() - (self._orders() * self._mean_log_diagonal()).sum(-1)

    @property
    def mean(self) -> Tensor:
        """E[L], which is diagonal: E[L_ii] = B(b + 1/2, a)/B(b, a) for L_ii² ~ Beta(b, a)."""
        return torch.diag_embed(self._with_first(self._mean_diagonal(), 1.0))

    @property
    def variance(self) -> Tensor:
        """The variance of each entry; a/((a + b) (i − 1)) below the diagonal of row i."""
        a, b = self._betas()
        counts = 2 * a
        below = self._with_first(a / (a + b) / counts, 0.0).unsqueeze(-1)
        square = torch.ones_like(below.expand(*below.shape[:-1], self.dim)).tril(-1) * below
        spread = b / (a + b) - self._mean_diagonal().square()
        return square + torch.diag_embed(self._with_first(spread, 0.0))

    def _betas(self) -> tuple[Tensor, Tensor]:
        """Return a and b of 1 − L_ii² ~ Beta(a, b), i = 2..d, along a new last dimension."""
        eta = self.concentration.unsqueeze(-1)
        counts = torch.arange(1, self.dim, dtype=eta.dtype, device=eta.device)
        return (0.5 * counts).expand(*self.concentration.shape, self.dim - 1), eta + 0.5 * (self.dim - 1 - counts)

    def _orders(self) -> Tensor:
        """Return 2η − 2 + d − i."""
        counts = torch.arange(2, self.dim + 1, dtype=self.concentration.dtype, device=self.concentration.device)
        return 2 * (self.concentration.unsqueeze(-1) - 1) + self.dim - counts

    def _log_normaliser(self) -> Tensor:
        """Return Σ ln(π^a Γ(b)/Γ(a + b)), the logarithm of the integral of ∏ L_ii^order."""
        return _log_normaliser(*self._betas()).sum(-1)

    def _mean_log_diagonal(self) -> Tensor:
        return _mean_log_root(*self._betas())

    def _mean_diagonal(self) -> Tensor:
        return _mean_root(*self._betas())

    def _with_first(self, values: Tensor, first: float) -> Tensor:
        return torch.nn.functional.pad(values, (1, 0), value=first)


@in_float64
def _log_normaliser(a: Tensor, b: Tensor) -> Tensor:
    return a * math.log(math.pi) - log_gamma_ratio(b, a)


@in_float64
def _mean_log_root(a: Tensor, b: Tensor) -> Tensor:
    return -0.5 * digamma_difference(b, a)


@in_float64
def _mean_root(a: Tensor, b: Tensor) -> Tensor:
    half = torch.full_like(a, 0.5)
    return (log_gamma_ratio(b, half) - log_gamma_ratio(a + b, half)).exp()


@torch.distributions.register_kl(LKJCholesky, LKJCholesky)
def kl_lkj_cholesky_lkj_cholesky(p: LKJCholesky, q: LKJCholesky) -> Tensor:
    """KL(p ‖ q) = ln C_q − ln C_p + 2 (η_p − η_q) Σ E_p[ln L_ii], in nats, C the integral of ∏ L_ii^order."""
    if p.dim != q.dim:
        raise ValueError(f"the matrices have different sizes, {p.dim} and {q.dim}")
    difference = 2 * (p.concentration - q.concentration)
    return q._log_normaliser() - p._log_normaliser() + difference * p._mean_log_diagonal().sum(-1)
