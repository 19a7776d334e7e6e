"""The Gaussian copula over any univariate marginals."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Distribution, constraints
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.distributions.dtypes import widened
from irg_experiments.implicit.distributions.quantile import quantile, unvalidated
from irg_experiments.implicit.distributions.tails import check_univariate, log_tails, probe, support_ends
from irg_experiments.implicit.sampling import standard_normal
from irg_experiments.implicit.special.normal import log_ndtr, ndtri_exp


class Copula(Reparameterizable):
    """The Gaussian copula: z_k = F_k⁻¹(Φ(x_k)), x = L ε, ε ~ Normal(0, I), with the marginal distribution functions F_k.

    Density N(x; 0, L Lᵀ) ∏ q_k(z_k)/φ(x_k), x_k = Φ⁻¹(F_k(z_k)); the marginals of z are q_k for every correlation matrix L Lᵀ.

    Args:
        marginals: K continuous distributions of scalars with ``cdf`` and ``log_prob``: either one distribution with K elements
            along its last batch dimension, or a sequence of K, which may be of different families. Their parameters receive the
            gradient if their ``cdf`` is differentiable in them.
        scale_tril: L, lower triangular with a positive diagonal and rows of length 1, the Cholesky factor of the correlation
            matrix of x (not of z), of shape (..., K, K); such as a sample of ``LKJCholesky``.
        validate_args: whether to check arguments and values; the marginals also follow their own settings.

    Raises:
        TypeError: a marginal is discrete or has no distribution function.
        ValueError: a marginal has vector events, or the number of marginals does not fit ``scale_tril``.

    ``rsample`` computes x and inverts F_k: a normal marginal in closed form, others numerically from the logarithm of the
    smaller tail, to adjacent floats, as ``Truncated`` does. The gradient is the implicit one of F_k(z_k) = Φ(x_k),
    dz_k = (φ(x_k) dx_k − dF_k)/q_k(z_k) with dx = dL ε, to the marginals and to L; it is 0 where the density of a draw rounds
    to 0 or overflows. Second derivatives through samples of marginals that are not normal need nested transformations of
    torch.func, such as jacrev(jacrev(f)); otherwise they raise NotImplementedError.

    Valid range: ``log_prob`` and ``rsample`` are accurate in both tails of marginals with ``survival_function``, and up to
    1 − F = eps in the upper tail of others; beyond, x_k is held at its last value.

    Source: Song (2000), Multivariate dispersion models generated from Gaussian copula; Figurnov, Mohamed & Mnih (2018) for the
    gradient.
    """

    arg_constraints = {"scale_tril": constraints.corr_cholesky}

    def __init__(
        self, marginals: Distribution | Sequence[Distribution], scale_tril: Tensor, validate_args: bool | None = None
    ) -> None:
        self.stacked = isinstance(marginals, Distribution)
        parts = (marginals,) if isinstance(marginals, Distribution) else tuple(marginals)
        for part in parts:
            check_univariate(part)
        if self.stacked and not parts[0].batch_shape:
            raise ValueError("a single marginal must have one element per coordinate: expand it, or give a sequence")
        count = parts[0].batch_shape[-1] if self.stacked else len(parts)
        if scale_tril.dim() < 2 or scale_tril.shape[-2:] != (count, count):
            raise ValueError(
                f"{count} marginals need a scale_tril of {count} × {count}, not of shape {tuple(scale_tril.shape)}"
            )
        shapes = [part.batch_shape[:-1] if self.stacked else part.batch_shape for part in parts]
        batch_shape = torch.broadcast_shapes(scale_tril.shape[:-2], *shapes)
        dtypes = [probe(part).dtype for part in parts]
        dtype = functools.reduce(torch.promote_types, dtypes, scale_tril.dtype)
        if dtype != scale_tril.dtype:  # rows that have length 1 to the rounding of their own dtype
            scale_tril = torch.nn.functional.normalize(scale_tril.to(dtype), dim=-1)
        self.scale_tril = scale_tril.expand(batch_shape + scale_tril.shape[-2:])
        self.parts = self._expanded(parts, batch_shape, count)
        super().__init__(batch_shape, Size((count,)), validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: Any = None) -> Self:
        """Return the same distribution with its batch expanded to ``batch_shape``."""
        new = self._expand(batch_shape, _instance)
        new.parts = self._expanded(self.parts, Size(batch_shape), self.event_shape[0])
        return new

    def _expanded(self, parts: tuple[Distribution, ...], batch_shape: Size, count: int) -> tuple[Distribution, ...]:
        shape = Size((*batch_shape, count)) if self.stacked else batch_shape
        return tuple(part.expand(shape) for part in parts)

    @property
    def marginals(self) -> Distribution | tuple[Distribution, ...]:
        """The marginals as they were given, expanded to the batch."""
        return self.parts[0] if self.stacked else self.parts

    @property
    def support(self) -> constraints.Constraint:
        """The product of the supports of the marginals."""
        if self.stacked:
            return constraints.independent(self.parts[0].support, 1)
        return constraints.stack([part.support for part in self.parts], -1)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        noise = standard_normal(shape, self.scale_tril, generator)
        x = (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)
        return self._each(_quantile, x)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, in nats."""
        self._validated(value)
        x = self._each(_standardized, value)
        factor = self.scale_tril.to(x.dtype).expand(
            *torch.broadcast_shapes(x.shape[:-1], self.batch_shape), *self.scale_tril.shape[-2:]
        )
        solved = torch.linalg.solve_triangular(factor, x.expand(factor.shape[:-1]).unsqueeze(-1), upper=False).squeeze(-1)
        log_det = self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        marginals = self._each(lambda part, z: part.log_prob(z), value)
        log_density = (marginals + 0.5 * (x - solved) * (x + solved)).sum(-1) - log_det
        return log_density.to(torch.promote_types(value.dtype, self.scale_tril.dtype))

    def entropy(self) -> Tensor:
        """The sum of the entropies of the marginals, plus ln |L|, in nats."""
        return self._of_each("entropy").sum(-1) + self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @property
    def mean(self) -> Tensor:
        """The means of the marginals."""
        return self._of_each("mean")

    @property
    def variance(self) -> Tensor:
        """The variances of the marginals."""
        return self._of_each("variance")

    def _each(self, function: Callable[[Distribution, Tensor], Tensor], value: Tensor) -> Tensor:
        """Apply a function of marginals and their coordinates."""
        if self.stacked:
            return function(self.parts[0], value)
        coordinates = zip(self.parts, value.unbind(-1), strict=True)
        return torch.stack([function(part, coordinate) for part, coordinate in coordinates], -1)

    def _of_each(self, name: str) -> Tensor:
        """A property of the marginals, or the value of a method without arguments."""
        values = [getattr(part, name) for part in self.parts]
        values = [value() if callable(value) else value for value in values]
        return values[0] if self.stacked else torch.stack(values, -1)


def _standardized(part: Distribution, value: Tensor) -> Tensor:
    """Φ⁻¹(F(value)), from the smaller of the two tails."""
    log_cdf, log_survival = log_tails(unvalidated(part), widened(value))
    lower = log_cdf < log_survival
    smaller = torch.where(lower, log_cdf, log_survival)
    last = math.log(torch.finfo(smaller.dtype).tiny)
    x = ndtri_exp(torch.where(smaller == -math.inf, last, smaller))  # infinite x would cancel to NaN
    return torch.where(lower, x, -x)


def _quantile(part: Distribution, x: Tensor) -> Tensor:
    """F⁻¹(Φ(x)), with the implicit gradient in x and in the parameters of the marginal."""
    if isinstance(part, torch.distributions.Normal):
        return part.loc + part.scale * x
    dtype, x = x.dtype, widened(x)
    base, upper = unvalidated(part), x.detach() > 0
    return quantile(base, upper, log_ndtr(torch.where(upper, -x, x)), *support_ends(base, x)).to(dtype)
