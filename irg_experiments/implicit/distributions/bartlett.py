"""What the Wishart distribution and that of the inverse matrix share: their parameters and Bartlett's decomposition."""

import abc
import math
from collections.abc import Callable, Mapping

import torch
from torch import Generator, Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import in_floating_point
from irg_experiments.implicit.distributions.gamma import log_gamma_rsample
from irg_experiments.implicit.sampling import standard_normal


class Bartlett(Reparameterizable):
    """Base class of distributions of X = B Bᵀ with a lower triangular B of standard normal and χ² variables.

    A subclass implements ``_draw_tril``, the draw of B, and has the attribute ``df``.

    Source: Bartlett (1933), On the theory of statistical regression.
    """

    df: Tensor

    @abc.abstractmethod
    def _draw_tril(self, shape: Size, generator: Generator | None) -> Tensor:
        """Return B of the given shape, with its gradient."""

    def rsample_tril(self, sample_shape: _size = Size(), generator: Generator | None = None) -> Tensor:
        """Draw the lower Cholesky factor of a sample, with its gradient; accurate even if X is nearly singular."""
        return self._draw_tril(self._extended_shape(sample_shape), generator)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        factor = self._draw_tril(shape, generator)
        return factor @ factor.mT

    def _half_dfs(self) -> Tensor:
        """Return (df − i)/2 for i = 0..p−1, along a new last dimension."""
        return 0.5 * (self.df.unsqueeze(-1) - torch.arange(self.event_shape[-1], dtype=self.df.dtype, device=self.df.device))

    def _log_gamma(self) -> Tensor:
        """Return ln Γ_p(df/2) without the domain check of ``torch.mvlgamma``, which synchronises with the device."""
        p = self.event_shape[-1]
        return self._half_dfs().lgamma().sum(-1) + 0.25 * p * (p - 1) * math.log(math.pi)


def bartlett_factor(half_dfs: Tensor, shape: Size, generator: Generator | None, log_least: float | None = None) -> Tensor:
    """Draw a lower triangular matrix, standard normal below the diagonal, with squares on it that are χ² of 2 ``half_dfs``.

    The logarithm of the diagonal carries its implicit gradient, and is at least ``log_least``.
    """
    # χ²(k) is 2 Gamma(k/2, 1)
    log_diagonal = 0.5 * (log_gamma_rsample(half_dfs.expand(shape[:-1]), generator) + math.log(2))
    diagonal = (log_diagonal if log_least is None else log_diagonal.clamp(min=log_least)).exp()
    return standard_normal(shape, diagonal, generator).tril(-1) + torch.diag_embed(diagonal)


def df_and_matrix(df: Tensor | float, matrices: Mapping[str, Tensor | None]) -> tuple[Tensor, str, Tensor]:
    """Return df, of the batch shape of both, and the name and value of the one matrix that is not None.

    Raises:
        ValueError: not exactly one matrix is given, or it has less than two dimensions.
    """
    given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
    if len(given) != 1:
        names = ", ".join(name for name, _ in given) or "none"
        raise ValueError(f"exactly one of {', '.join(matrices)} is needed, not {names}")
    name, matrix = given[0]
    if matrix.dim() < 2:
        raise ValueError(f"{name} must have at least two dimensions, not shape {tuple(matrix.shape)}")
    df, matrix = in_floating_point(df, matrix)
    df = torch.as_tensor(df, dtype=None if isinstance(df, Tensor) else matrix.dtype, device=matrix.device)
    return df.expand(torch.broadcast_shapes(df.shape, matrix.shape[:-2])), name, matrix


def inverse_factor(matrix: Tensor, cholesky: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the lower triangular L with L Lᵀ the inverse of a positive definite matrix."""
    # matrix = U Uᵀ with U upper triangular, from the Cholesky factor of the matrix flipped along both axes; then L = U⁻ᵀ
    factor = cholesky(matrix.flip((-2, -1))).flip((-2, -1)).mT
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return torch.linalg.solve_triangular(factor, identity, upper=False)
