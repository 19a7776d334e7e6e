"""The inverse Wishart distribution, by Bartlett's decomposition of its inverse."""

import math

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments.implicit.distributions.bartlett import Bartlett, bartlett_factor, df_and_matrix, inverse_factor
from irg_experiments.implicit.distributions.dtypes import widened


class InverseWishart(Bartlett):
    """InverseWishart(df, Ψ), the distribution of X whose inverse is Wishart(df, Ψ⁻¹).

    Density |Ψ|^(df/2) |X|^(−(df+p+1)/2) e^(−tr(Ψ X⁻¹)/2) / (2^(df p/2) Γ_p(df/2)) on positive definite p × p matrices X.

    Args:
        df: degrees of freedom > p − 1, not necessarily an integer; broadcast with the batch of the matrix.
        scale_matrix: Ψ, symmetric and positive definite, of shape (..., p, p).
        precision_matrix: Ψ⁻¹, the scale matrix of the Wishart distribution of X⁻¹, instead of Ψ.
        scale_tril: L, lower triangular with a positive diagonal, Ψ = L Lᵀ, instead of Ψ.
        validate_args: whether to check arguments and values.

    Raises:
        ValueError: not exactly one of the three matrices is given, or with ``validate_args`` a value is outside its domain.

    ``rsample`` computes X = B Bᵀ with the lower triangular B = L C⁻¹, where C is lower triangular, standard normal below the
    diagonal and C_ii² ~ χ²(df − (p − 1 − i)), i = 0..p−1: Bartlett's decomposition of X⁻¹ with the order of rows reversed.
    ln C_ii carries the implicit gradient in df, and L the explicit one. ``rsample_tril`` returns B, which stays accurate where
    X is numerically singular.

    C_ii below the fourth root of the smallest normal number of the dtype, 1e-10 in float32, is returned as that root, so that X
    does not overflow. With δ = df − p + 1 this happens for a fraction of about 1e-10^δ of the draws in float32.

    Source: Figurnov, Mohamed & Mnih (2018) for the gradient; Smith & Hocking (1972) for the sampler.
    """

    arg_constraints = {
        "df": constraints.greater_than(0),
        "scale_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.positive_definite

    def __init__(
        self,
        df: Tensor | float,
        scale_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {"scale_matrix": scale_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        self.df, name, matrix = df_and_matrix(df, given)
        batch_shape = self.df.shape
        self.scale_tril = _scale_tril(name, widened(matrix)).to(matrix.dtype).expand(batch_shape + matrix.shape[-2:])
        if self._validate_args if validate_args is None else validate_args:
            _check_matrix(name, widened(matrix))
        super().__init__(batch_shape, matrix.shape[-2:], validate_args=validate_args)
        if self._validate_args and not (self.df > matrix.shape[-1] - 1).all():
            raise ValueError(f"df={self.df} does not satisfy the constraint df > p − 1 with p = {matrix.shape[-1]}")

    @property
    def scale_matrix(self) -> Tensor:
        """Ψ."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Tensor:
        """Ψ⁻¹."""
        identity = torch.eye(self.event_shape[-1], dtype=self.scale_tril.dtype, device=self.scale_tril.device)
        return torch.cholesky_solve(identity.expand_as(self.scale_tril), self.scale_tril)

    def _draw_tril(self, shape: Size, generator: Generator | None) -> Tensor:
        least = 0.25 * math.log(torch.finfo(self.df.dtype).tiny)
        bartlett = bartlett_factor(self._half_dfs().flip(-1), shape, generator, log_least=least)
        return _solve(bartlett, self.scale_tril.expand(shape), left=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density with respect to the p (p + 1)/2 entries on and below the diagonal, in nats."""
        p = self.event_shape[-1]
        dtype = torch.promote_types(value.dtype, torch.float32)  # torch has no decomposition of half types
        factor = torch.linalg.cholesky_ex(self._validated(value).to(dtype)).L.to(value.dtype)
        quadratic = _solve(*torch.broadcast_tensors(factor, self.scale_tril)).square().sum((-2, -1))
        log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return self.df * self._half_log_det() - self._log_gamma() - 0.5 * ((self.df + p + 1) * log_det + quadratic)

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        p = self.event_shape[-1]
        # the mean of ln |X| is ln |Ψ/2| − Σ ψ((df − i)/2), and that of tr(Ψ X⁻¹) is df p
        digamma = self._half_dfs().digamma().sum(-1)
        return self._log_gamma() + (p + 1) * self._half_log_det() - 0.5 * (self.df + p + 1) * digamma + 0.5 * self.df * p

    @property
    def mean(self) -> Tensor:
        """Ψ/(df − p − 1) for df > p + 1, else NaN."""
        return self.scale_matrix / self._excess(1)[..., None, None]

    @property
    def mode(self) -> Tensor:
        """Ψ/(df + p + 1)."""
        return self.scale_matrix / (self.df + self.event_shape[-1] + 1)[..., None, None]

    @property
    def variance(self) -> Tensor:
        """((e + 2) Ψ_ij² + e Ψ_ii Ψ_jj)/((e + 1) e² (e − 2)), e = df − p − 1, for df > p + 3, else NaN."""
        e = self._excess(3)[..., None, None] + 2
        diagonal = self.scale_matrix.diagonal(dim1=-2, dim2=-1)
        product = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return ((e + 2) * self.scale_matrix.square() + e * product) / ((e + 1) * e.square() * (e - 2))

    def _excess(self, number: int) -> Tensor:
        """Return df − p − number, NaN if it is not positive."""
        excess = self.df - self.event_shape[-1] - number
        return torch.where(excess > 0, excess, math.nan)

    def _half_log_det(self) -> Tensor:
        """Return ln |Ψ/2| / 2."""
        return (self.scale_tril.diagonal(dim1=-2, dim2=-1).log() - 0.5 * math.log(2)).sum(-1)


def _solve(factor: Tensor, other: Tensor, left: bool = True) -> Tensor:
    """Solve with a lower triangular factor from the left or the right; in float32 for half types, which torch lacks."""
    dtype = torch.promote_types(factor.dtype, torch.float32)
    return torch.linalg.solve_triangular(factor.to(dtype), other.to(dtype), upper=False, left=left).to(factor.dtype)


def _scale_tril(name: str, matrix: Tensor) -> Tensor:
    if name == "scale_tril":
        return matrix
    if name == "scale_matrix":
        return torch.linalg.cholesky_ex(matrix).L
    return inverse_factor(matrix, lambda m: torch.linalg.cholesky_ex(m).L)


def _check_matrix(name: str, matrix: Tensor) -> None:
    """Raise ValueError unless the matrix is one that the parameter accepts."""
    if name == "scale_tril":
        if not constraints.lower_cholesky.check(matrix).all():
            raise ValueError("scale_tril must be lower triangular with a positive diagonal")
    elif not constraints.symmetric.check(matrix).all():
        difference = (matrix - matrix.mT).abs().max().item()
        raise ValueError(
            f"{name} must be symmetric, but differs from its transpose by {difference:.2g}: symmetrize it by (m + m.mT)/2"
        )
    elif not constraints.positive_definite.check(matrix).all():
        raise ValueError(f"{name} must be positive definite: all its eigenvalues positive, beyond rounding")


@torch.distributions.register_kl(InverseWishart, InverseWishart)
def kl_inverse_wishart_inverse_wishart(p: InverseWishart, q: InverseWishart) -> Tensor:
    """KL(p ‖ q), equal to that of the Wishart distributions of the inverses, in nats.

    (n_p (tr(Ψ_q Ψ_p⁻¹) − d) + n_q ln |Ψ_p Ψ_q⁻¹| + (n_p − n_q) ψ_d(n_p/2))/2 + ln Γ_d(n_q/2) − ln Γ_d(n_p/2), n = df, of d × d
    matrices.
    """
    size = p.event_shape[-1]
    shape = torch.broadcast_shapes(p.scale_tril.shape, q.scale_tril.shape)
    ratio = _solve(p.scale_tril.expand(shape), q.scale_tril.expand(shape))
    trace = ratio.square().sum((-2, -1))
    log_det = -2 * ratio.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    digammas = p._half_dfs().digamma().sum(-1)
    linear = 0.5 * (p.df * (trace - size) + q.df * log_det + (p.df - q.df) * digammas)
    return linear + q._log_gamma() - p._log_gamma()
