"""The uniform distribution on the unit sphere."""

import torch
from torch import Size, Tensor
from torch.distributions import constraints
from torch.types import _size

from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_normal
from irg_experiments.implicit.special.von_mises_fisher import checked_dimension, log_sphere_area


class UnitVector(constraints.Constraint):
    """Vectors along the last dimension whose length is 1, up to ε^(2/3) for the ε of the dtype.

    That is 2.4e-5 in float32 and 4e-11 in float64: wide enough for any way of normalising a vector in its own dtype. One that
    was normalised in a narrower dtype is to be normalised again.
    """

    is_discrete = False
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        """Whether each vector is of unit length; of the shape of ``value`` without its last dimension."""
        tolerance = torch.finfo(value.dtype).eps ** (2 / 3)
        return (torch.linalg.vector_norm(value, dim=-1) - 1).abs() <= tolerance


unit_vector = UnitVector()


def uniform_direction(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Unit vectors along the last dimension of ``shape``, uniform on the sphere, of the dtype and device of ``like``."""
    normal = standard_normal(shape, like, generator)
    # a float32 draw is 0 once in some ten million, and the zero vector has no direction
    normal = torch.where(normal == 0, torch.finfo(normal.dtype).eps, normal)
    return normal / torch.linalg.vector_norm(normal, dim=-1, keepdim=True)


class HypersphericalUniform(Reparameterizable):
    """The uniform distribution on the unit sphere in R^d, {z : |z| = 1}, of density Γ(d/2) / (2 π^{d/2}).

    Args:
        dimension: d ≥ 2, the dimension of the space around the sphere, and so the number of coordinates of a sample: 2 for the
            circle, 3 for the ordinary sphere. The sphere itself has the dimension d − 1.
        batch_shape: of the independent distributions.
        dtype: of the samples; torch's default when None.
        device: of the samples; torch's default when None.
        validate_args: whether arguments and values are checked.

    Raises:
        ValueError: ``dimension`` is below 2.

    It has no parameter to differentiate in: ``rsample`` and ``sample`` are the same, Gaussian vectors of unit length.

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

    def expand(self, batch_shape: _size, _instance: object = None) -> "HypersphericalUniform":
        """The same distribution for another batch shape."""
        new = self._get_checked_instance(HypersphericalUniform, _instance)
        new.dimension, new._like = self.dimension, self._like
        super(HypersphericalUniform, new).__init__(Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: _size = Size(), generator: torch.Generator | None = None) -> Tensor:
        """Draws samples; see the class."""
        return uniform_direction(self._extended_shape(sample_shape), self._like, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """Minus the log of the sphere's area, in nats."""
        if self._validate_args:
            self._validate_sample(value)
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full(shape, -log_sphere_area(self.dimension))

    def entropy(self) -> Tensor:
        """The log of the sphere's area, in nats."""
        return self._like.new_full(self.batch_shape, log_sphere_area(self.dimension))

    @property
    def mean(self) -> Tensor:
        """The zero vector."""
        return self._like.new_zeros(self._extended_shape())

    @property
    def variance(self) -> Tensor:
        """1/d in each coordinate."""
        return self._like.new_full(self._extended_shape(), 1 / self.dimension)
