"""The uniform distribution on the unit sphere."""

import torch
from torch import Generator, Size, Tensor
from torch.distributions import constraints
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_normal
from irg_experiments.implicit.special.von_mises_fisher import checked_dimension, log_sphere_area


class _UnitVector(constraints.Constraint):
    """Vectors along the last dimension whose length is 1, up to ε^(2/3) for the ε of the dtype.

    The tolerance is 2.4e-5 in float32 and 4e-11 in float64, which any way of normalising a vector in its own dtype meets. A
    vector that was normalised in a narrower dtype must be normalised again.
    """

    is_discrete = False
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        """Whether each vector has unit length; the shape is that of ``value`` without its last dimension."""
        tolerance = torch.finfo(value.dtype).eps ** (2 / 3)
        return (torch.linalg.vector_norm(value, dim=-1) - 1).abs() <= tolerance


unit_vector = _UnitVector()


def uniform_direction(shape: tuple[int, ...], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw unit vectors along the last dimension of ``shape``, uniform on the sphere, in the dtype and device of ``like``."""
    normal = standard_normal(shape, like, generator)
    # about one float32 draw in ten million is 0, and the zero vector has no direction
    normal = torch.where(normal == 0, torch.finfo(normal.dtype).eps, normal)
    return normal / torch.linalg.vector_norm(normal, dim=-1, keepdim=True)


class HypersphericalUniform(Reparameterizable):
    """The uniform distribution on the unit sphere in R^d, {z : |z| = 1}, of density Γ(d/2) / (2 π^{d/2}).

    Args:
        dimension: d ≥ 2, the number of coordinates of a sample: 2 for the circle, 3 for the ordinary sphere.
        batch_shape: shape of the batch of independent distributions.
        dtype: dtype of the samples; torch's default if None.
        device: device of the samples; torch's default if None.
        validate_args: whether to check arguments and values.

    Raises:
        ValueError: ``dimension`` is below 2.

    There are no parameters, so ``rsample`` carries no gradient. Samples are normalised Gaussian vectors.

    Source: Muller (1959).
    """

    arg_constraints = {}
    support = unit_vector

    def __init__(
        self,
        dimension: int,
        batch_shape: _size = Size(),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        validate_args: bool | None = None,
    ):
        self.dimension = checked_dimension(dimension)
        self._like = torch.empty((), dtype=dtype, device=device)
        super().__init__(Size(batch_shape), Size((self.dimension,)), validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        return uniform_direction(shape, self._like, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """−ln(area of the sphere), in nats."""
        shape = torch.broadcast_shapes(self._validated(value).shape[:-1], self.batch_shape)
        return value.new_full(shape, -log_sphere_area(self.dimension))

    def entropy(self) -> Tensor:
        """ln(area of the sphere), in nats."""
        return self._like.new_full(self.batch_shape, log_sphere_area(self.dimension))

    @property
    def mean(self) -> Tensor:
        """The zero vector."""
        return self._like.new_zeros(self._extended_shape())

    @property
    def variance(self) -> Tensor:
        """1/d in each coordinate."""
        return self._like.new_full(self._extended_shape(), 1 / self.dimension)
