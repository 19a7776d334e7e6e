"""The Wishart distribution, by Bartlett's decomposition with its diagonal in log space."""

import math
from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.types import _size

from irg_experiments.implicit.distributions.bartlett import Bartlett, bartlett_factor, df_and_matrix, inverse_factor
from irg_experiments.implicit.distributions.dtypes import result_dtype, widened

_SCALES = ("covariance_matrix", "precision_matrix", "scale_tril")


class Wishart(Bartlett, torch.distributions.Wishart):
    """Wishart(df, V), density |X|^((df−p−1)/2) e^(−tr(V⁻¹X)/2) / (2^(df p/2) |V|^(df/2) Γ_p(df/2)), drop-in for torch's.

    Args:
        df: degrees of freedom > p − 1, not necessarily an integer; broadcast with the batch of the matrix.
        covariance_matrix: V, symmetric and positive definite, of shape (..., p, p).
        precision_matrix: V⁻¹, instead of V.
        scale_tril: L, lower triangular with a positive diagonal, V = L Lᵀ, instead of V.

    Raises:
        ValueError: not exactly one of the three matrices is given, or with ``validate_args`` a value is outside its domain.

    ``rsample`` computes X = (L A)(L A)ᵀ with A lower triangular, standard normal below the diagonal and A_ii² ~ χ²(df − i),
    i = 0..p−1 (Bartlett 1933). ln A_ii carries the implicit gradient in df, and L the explicit one. Draws are neither repeated
    nor clamped: for df below p, A_ii² may be smaller than the rounding error of X, which is then numerically singular. With
    δ = df − p + 1 this happens for a fraction of about eps^(δ/2) of the draws, eps = 1e-7 in float32. ``rsample_tril`` returns
    L A instead, which stays accurate.

    Source: Figurnov, Mohamed & Mnih (2018) for the gradient; Smith & Hocking (1972) for the sampler.
    """

    def __init__(
        self,
        df: Tensor | float,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        df, name, matrix = df_and_matrix(df, dict(zip(_SCALES, (covariance_matrix, precision_matrix, scale_tril), strict=True)))
        self.df = df
        setattr(self, name, matrix.expand(df.shape + matrix.shape[-2:]))
        torch.distributions.Distribution.__init__(self, df.shape, matrix.shape[-2:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _scale_tril(name, matrix)

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        return self._expand(batch_shape, _instance)  # torch's needs the attributes of its own sampler

    def rsample(  # type: ignore[override]
        self, sample_shape: _size = Size(), generator: Generator | None = None, max_try_correction: int | None = None
    ) -> Tensor:
        """Draw samples that carry their gradient; ``max_try_correction``, the number of torch's repetitions, is not needed."""
        return super().rsample(sample_shape, generator)

    def _draw_tril(self, shape: Size, generator: Generator | None) -> Tensor:
        return self._unbroadcasted_scale_tril @ bartlett_factor(self._half_dfs(), shape, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density with respect to the p (p + 1)/2 entries on and below the diagonal, in nats."""
        p = self.event_shape[-1]
        value = self._validated(value)
        dtype, value = result_dtype(self.df, value), widened(value)
        scaled = torch.cholesky_solve(value, widened(self._unbroadcasted_scale_tril))
        quadratic = 0.5 * scaled.diagonal(dim1=-2, dim2=-1).sum(-1)
        log_det = torch.linalg.slogdet(value).logabsdet
        log_density = 0.5 * (self.df - p - 1) * log_det - quadratic - self.df * self._half_log_det() - self._log_gamma()
        return log_density.to(dtype)

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        p = self.event_shape[-1]
        digamma = self._half_dfs().digamma().sum(-1)
        volume = (p + 1) * self._half_log_det() + self._log_gamma()
        return volume - 0.5 * (self.df - p - 1) * digamma + 0.5 * self.df * p

    @property
    def mode(self) -> Tensor:
        """(df − p − 1) V for df > p + 1; else NaN, as the density has no maximum."""
        factor = self.df - self.event_shape[-1] - 1
        return torch.where(factor > 0, factor, math.nan)[..., None, None] * self.covariance_matrix

    def _half_log_det(self) -> Tensor:
        """Return (p ln 2 + ln |V|)/2."""
        log_diagonal = self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log()
        return (log_diagonal + 0.5 * math.log(2)).sum(-1)


def _scale_tril(name: str, matrix: Tensor) -> Tensor:
    if name == "scale_tril":
        return matrix
    if name == "covariance_matrix":
        return torch.linalg.cholesky(matrix)
    return inverse_factor(matrix, torch.linalg.cholesky)
