"""Mixtures, reparameterized by the distributional transform."""

import math

import torch
from torch import Generator, Size, Tensor
from torch.distributions import Distribution, Independent
from torch.nn.functional import pad

from irg_experiments.implicit._autograd import derivative_order
from irg_experiments.implicit.distributions.base import Reparameterizable, ReparameterizableByCDF
from irg_experiments.implicit.distributions.dtypes import widened
from irg_experiments.implicit.distributions.normal import with_tails
from irg_experiments.implicit.distributions.quantile import at_ends, quantile, unvalidated
from irg_experiments.implicit.distributions.reparameterized import sample_from
from irg_experiments.implicit.distributions.tails import between, check_univariate, support_ends, survival_function
from irg_experiments.implicit.rule import reparameterize, reparameterize_where_steep
from irg_experiments.implicit.sampling import standard_uniform


class MixtureSameFamily(ReparameterizableByCDF, torch.distributions.MixtureSameFamily):
    """The mixture with density Σ_k π_k q_k(z), drop-in for ``torch.distributions.MixtureSameFamily``.

    Args:
        mixture_distribution: a Categorical over k. Its logits or probs receive a gradient, as the components do.
        component_distribution: K distributions of one family, along the last batch dimension. ``rsample`` needs continuous
            scalars with ``cdf`` and ``log_prob``, or ``Independent`` over them; the other methods take any.

    Each sample is a draw of one randomly chosen component. Its gradient is that of the distributional transform, which does
    not depend on the choice:

        scalars: S(z) = Σ_k π_k F_k(z),
        vectors: S_i(z) = Σ_k π_k(z_<i) F_ki(z_i),  π_k(z_<i) ∝ π_k Π_{j<i} q_kj(z_j), i in the order of the flattened event.

    With s_kj = d ln q_kj / dz_j the Jacobian of a vector is ∂S_i/∂z_j = Σ_k π_k(z_<i) (F_ki − S_i) s_kj for j < i, and the
    conditional density Σ_k π_k(z_<i) q_ki for j = i: D² numbers per sample. Where S exceeds 1/2, the upper tails replace F. The
    gradient is unbiased; its variance grows with the distance between components, as the density between them is low. Second
    derivatives need nested transformations of torch.func, such as jacrev(jacrev(f)); otherwise they raise NotImplementedError.

    Raises:
        TypeError, ValueError: in ``rsample``, if the components are discrete, have no cdf, or are dependent vectors;
            ``has_rsample`` is then False.

    Source: Figurnov, Mohamed & Mnih (2018); Graves (2016); Rosenblatt (1952).
    """

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether ``rsample`` supports the components."""
        try:
            self._factors()
        except (TypeError, ValueError):
            return False
        return True

    def _reparameterized(self, value: Tensor) -> Tensor:
        factors = self._factors()
        ndims = len(self.event_shape)
        if not ndims:
            with torch.no_grad():
                density = (self._weights() * factors.log_prob(self._per_component(value)).exp()).sum(-1)
            ends = support_ends(factors, density)
            inner = between(*(end[..., 0] if end.dim() else end for end in ends))
            return reparameterize_where_steep(value, lambda z: self._noise(factors, z), density, inner)
        flat = value.flatten(-ndims)
        if derivative_order() > 1:
            flat = reparameterize(flat, lambda z: self._noise(factors, z.reshape(value.shape)), event_dim=1)
        else:
            noise, jacobian = self._vector_transform(factors, value)
            flat = reparameterize(flat, lambda _: noise, event_dim=1, jacobian=jacobian)
        return flat.reshape(value.shape)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        shape = shape[: len(shape) - len(self.event_shape)]
        draws = sample_from(self.component_distribution, shape[: len(shape) - len(self.batch_shape)], generator)
        probs = self._weights()
        cumulative = probs.cumsum(-1)
        uniform = standard_uniform((*shape, 1), probs, generator)
        pick = (cumulative[..., :-1] <= uniform * cumulative[..., -1:]).sum(-1)
        index = pick.reshape(pick.shape + (1,) * (len(self.event_shape) + 1)).expand((*pick.shape, 1, *self.event_shape))
        return draws.gather(len(shape), index).squeeze(len(shape))

    def cdf(self, x: Tensor) -> Tensor:
        """P(Z ≤ x) of a mixture of scalars, from the distribution functions of the components."""
        return (self._weights() * with_tails(self.component_distribution).cdf(self._per_component(x))).sum(-1)

    def survival_function(self, value: Tensor) -> Tensor:
        """P(Z > value) of a mixture of scalars, from the survival functions of the components."""
        tails = survival_function(with_tails(self.component_distribution), self._per_component(value))
        return (self._weights() * tails).sum(-1)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile at probability ``value`` of a mixture of scalars; differentiable in it and every parameter.

        It is between the least and the largest quantile of the components, and found there by bisection and Newton's method. If
        the components have no ``icdf``, the search is over their support. Tails are as accurate as those of the components.
        Components of torch's Normal are computed by that of this package. Other classes of torch have a ``cdf`` with an
        absolute error of 1e-16 (1e-7 in float32): quantiles at smaller tail probabilities are those of about this probability.
        """
        if self.event_shape:
            raise NotImplementedError("a mixture of vectors has no icdf")
        mixture = unvalidated(self)
        try:
            ends = mixture._bracket(value)
        except NotImplementedError:
            return super().icdf(value)
        return at_ends(value, mixture._inner_icdf, *ends)

    def _inner_icdf(self, value: Tensor) -> Tensor:
        p = widened(value)
        # quantiles of torch's distributions are −∞ where p is below rounding, which is no upper end
        left, right = self._bracket(p)
        right = torch.where(right == -math.inf, math.inf, right)
        p, upper = p.expand(left.shape), p > 0.5
        return quantile(self, upper, torch.where(upper, 1 - p, p).log(), left, right).to(value.dtype)

    def _bracket(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the least and the largest quantile of the components, without gradient."""
        with torch.no_grad():
            quantiles = with_tails(self.component_distribution).icdf(self._per_component(value))
        return quantiles.amin(-1), quantiles.amax(-1)

    def _saturated(self, value: Tensor) -> Tensor:
        components = self.component_distribution
        if not isinstance(components, Reparameterizable):
            return super()._saturated(value)
        # where any component leaves the value as it is, so does the mixture
        moved = components._saturated(self._per_component(value.detach()))
        inside = torch.maximum(torch.minimum(value.detach(), moved.amax(-1)), moved.amin(-1))
        return value + (inside - value.detach())

    def _weights(self) -> Tensor:
        """Return the probabilities of the components; torch's softmax is slow along a short dimension."""
        mixture = self.mixture_distribution
        if "probs" in vars(mixture):
            return mixture.probs
        weights = mixture.logits.exp()  # normalised up to the rounding of the logits
        return weights / weights.sum(-1, keepdim=True)

    def _per_component(self, value: Tensor) -> Tensor:
        """Return the value with a dimension for the components before those of the event."""
        return value.unsqueeze(-1 - len(self.event_shape))

    def _factors(self) -> Distribution:
        """Return the univariate distributions inside the components."""
        base = self.component_distribution
        while isinstance(base, Independent):
            base = base.base_dist
        if base.event_shape:
            name = type(base).__name__
            raise ValueError(f"rsample needs scalars or Independent over scalars, but {name} has dependent coordinates")
        check_univariate(base)
        return with_tails(base)

    def _noise(self, factors: Distribution, value: Tensor) -> Tensor:
        """Return S of the flattened event, differentiable in the value, too."""
        ndims, logits, point = len(self.event_shape), self.mixture_distribution.logits, self._per_component(value)
        if not ndims:
            return _mixed(factors, point, self._weights(), 0)[1].squeeze(-1)
        point = point.expand(value.shape[: value.dim() - ndims] + logits.shape[-1:] + self.event_shape)
        weight = _conditional_weights(logits, factors.log_prob(point).flatten(-ndims))
        return _mixed(factors, point, weight, ndims)[1].squeeze(-2)

    def _vector_transform(self, factors: Distribution, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return S of the flattened event and its Jacobian."""
        ndims = len(self.event_shape)
        logits = self.mixture_distribution.logits
        point = self._per_component(value).expand(value.shape[: value.dim() - ndims] + logits.shape[-1:] + self.event_shape)
        log_density, pullback, *_ = torch.func.vjp(factors.log_prob, point)
        (score,) = pullback(torch.ones_like(log_density))
        log_density, score = log_density.flatten(-ndims), score.flatten(-ndims)
        weight = _conditional_weights(logits, log_density)
        cdf, noise = _mixed(factors, point, weight, ndims)
        with torch.no_grad():
            slopes = (weight * (cdf - noise)).mT @ score
            density = (weight * log_density.exp()).sum(-2)
        return noise.squeeze(-2), slopes.tril(-1) + density.diag_embed()


def _conditional_weights(logits: Tensor, log_density: Tensor) -> Tensor:
    """Return π_k(z_<i), from the log-densities of the components at every coordinate."""
    return (logits.unsqueeze(-1) + pad(log_density.cumsum(-1)[..., :-1], (1, 0))).softmax(-2)


def _mixed(factors: Distribution, point: Tensor, weight: Tensor, event_ndims: int) -> tuple[Tensor, Tensor]:
    """Return F of the components, with the event flattened, and its weighted mean; F − 1 where the mean exceeds 1/2."""
    dim = -2 if event_ndims else -1

    def flat(x: Tensor) -> Tensor:
        return x.flatten(-event_ndims) if event_ndims else x

    cdf = flat(factors.cdf(point))
    noise = (weight * cdf).sum(dim, keepdim=True)
    if not hasattr(factors, "survival_function"):
        return cdf, noise
    upper = noise.detach() > 0.5
    if derivative_order() > 1:
        cdf = torch.where(upper, -flat(factors.survival_function(point)), cdf)
    else:  # the derivatives of F − 1 are those of F
        with torch.no_grad():
            tail = torch.where(upper, -flat(factors.survival_function(point)), cdf).detach()
        cdf = tail + (cdf - cdf.detach())
    return cdf, (weight * cdf).sum(dim, keepdim=True)
