"""The implicit reparameterization rule.

A standardization function S_φ maps a sample z ~ q_φ to noise ε = S_φ(z) whose distribution does not depend on φ.
Differentiating S_φ(z) = ε at fixed ε gives the derivative of the sample without inverting S (Figurnov, Mohamed & Mnih 2018):

    ∇φ z = −(∇z S_φ(z))⁻¹ ∇φ S_φ(z)

For a univariate distribution S is the cumulative distribution function F, and dz/dφ = −(∂F/∂φ)/q_φ(z). The gradient does not
depend on the sampler, so z may come from any sampler, including rejection.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit._autograd import apply, derivative_order, eager, forward_mode, is_transformed
from irg_experiments.implicit.private_torch import set_forward_mode

SampleGrad = Callable[..., Tensor]


class _ImplicitSample(torch.autograd.Function):
    """Identity on ``value`` forward; dz/dφ = ``sample_grad(φ, z)`` backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, sample_grad: SampleGrad, parameter: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.sample_grad, parameter = inputs
        ctx.save_for_backward(parameter, output)
        ctx.save_for_forward(parameter, output)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, None, Tensor]:
        parameter, value = ctx.saved_tensors
        return None, None, grad_outputs[0] * ctx.sample_grad(parameter, value)


class _ForwardModeImplicitSample(_ImplicitSample):
    """``_ImplicitSample`` with forward-mode differentiation, which ``torch.compile`` cannot trace in a custom function."""

    @staticmethod
    @forward_mode
    def jvp(saved: Sequence[Tensor], ctx: Any, *tangents: Any) -> Tensor:
        parameter, value = saved
        return tangents[2] * ctx.sample_grad(parameter, value)


_EagerImplicitSample = eager(_ForwardModeImplicitSample)


def implicit_sample(value: Tensor, sample_grad: SampleGrad, parameter: Tensor) -> Tensor:
    """Attach the implicit gradient dz/dφ = −(∂F/∂φ)/q to a sample, given as a function of φ and z.

    Args:
        value: the sample z, of any shape. Its own gradient history is discarded.
        sample_grad: ``sample_grad(parameter, value)`` returns dz/dφ at fixed F_φ(z), with the shape of ``value``. It is called
            in the backward pass only.
        parameter: φ, with the shape of ``value``.

    Returns:
        ``value``, with dz/dφ attached. The second derivative, ∂D/∂φ + D ∂D/∂z for D = ``sample_grad``, differentiates
        ``sample_grad`` in both arguments. It must raise if it cannot be differentiated; those of
        ``irg_experiments.implicit.special`` can be once. A function that draws is evaluated again below vmap, so
        torch.func.hessian refuses it: use jacrev(jacrev(f)), or jacfwd(jacrev(f)) with ``randomness="same"``.

    Source: Figurnov, Mohamed & Mnih (2018).
    """
    return apply(_ImplicitSample, _ForwardModeImplicitSample, _EagerImplicitSample, value.detach(), sample_grad, parameter)


def reparameterize(
    value: Tensor, standardization: Callable[[Tensor], Tensor], event_dim: int = 0, jacobian: Tensor | None = None
) -> Tensor:
    """Attach the implicit gradient of any standardization function to a sample, by automatic differentiation.

    Args:
        value: the sample z, of any shape. Its own gradient history is discarded.
        standardization: maps z to ε = S_φ(z), with the same shape. The parameters φ, which it holds in its closure, receive the
            gradient; it must be differentiable in z and φ. With ``event_dim=0`` it is elementwise: the cumulative distribution
            function, or a strictly monotone function of it such that the distribution of ε does not depend on φ. With
            ``event_dim=1`` each vector along the last dimension is one sample, and ε_i depends on z_1..z_i only: the
            distributional transform ε_i = F(z_i | z_1..z_{i−1}).
        event_dim: 0 for scalars and factorised distributions, 1 for vectors with a lower-triangular Jacobian.
        jacobian: ∂S/∂z, if known. With ``event_dim=0`` it has the shape of ``value``; for a cumulative distribution function it
            is the density. With ``event_dim=1`` it has one more dimension, [..., i, j] = ∂S_i/∂z_j; entries above the diagonal
            are not read. If it is given, ``standardization`` need not be differentiable in z for a first derivative, and the
            call works with ``torch.compile`` and ``torch.func``. Its gradient history is discarded.

    Returns:
        ``value``, with ∇φ z = −(∇z S)⁻¹ ∇φ S attached, for one derivative. Inside nested transformations of torch.func, such
        as jacrev(jacrev(f)), higher derivatives are those of z ← z − (∇z S)⁻¹ (S_φ(z) − ε), which adds one order per step;
        ``standardization`` must be as often differentiable in z and φ.

    Raises:
        ValueError: ``standardization`` changes the shape, ``jacobian`` has the wrong shape, or ``event_dim`` is not 0 or 1.
        NotImplementedError: a second derivative by ``create_graph=True``, or one more than the transformations ask for.

    Source: Figurnov, Mohamed & Mnih (2018); for vectors, Rosenblatt (1952).
    """
    if event_dim not in (0, 1):
        raise ValueError(f"event_dim must be 0 (scalars) or 1 (vectors), not {event_dim}")
    value = value.detach()
    order = derivative_order()
    if order > 1:
        return _by_newton(value, standardization, event_dim, order)
    if jacobian is None:
        noise, jacobian = _with_jacobian(value, standardization, event_dim)
    else:
        noise = _checked(standardization(value), value)
        if jacobian.shape != value.shape + value.shape[-1:] * event_dim:
            raise ValueError(f"jacobian has shape {tuple(jacobian.shape)}, which does not fit samples of {tuple(value.shape)}")
    return apply(_FirstOrder, _ForwardModeFirstOrder, _EagerFirstOrder, value, noise, jacobian.detach(), event_dim)


def reparameterize_where_steep(
    value: Tensor, standardization: Callable[[Tensor], Tensor], slope: Tensor, inner: Tensor
) -> Tensor:
    """``reparameterize`` with a gradient of 0 where the slope ∂S/∂z has rounded to 0 or is not finite.

    There the sample is beyond the range in which S has digits, or beyond that of the dtype.

    Args:
        value: the samples of a univariate distribution.
        standardization: S, as for ``reparameterize``.
        slope: ∂S/∂z at the samples.
        inner: a point at which S and its derivatives are finite, broadcast with ``value``; it replaces such samples.
    """
    value, slope = value.detach(), slope.detach()
    if derivative_order() > 1:
        return reparameterize(value, standardization)
    steep = (slope != 0) & (slope.abs() < math.inf)
    noise = standardization(torch.where(steep, value, inner))
    noise = torch.where(steep, noise, noise.detach())
    return reparameterize(value, lambda _: noise, jacobian=torch.where(steep, slope, 1.0))


def _with_jacobian(value: Tensor, standardization: Callable[[Tensor], Tensor], event_dim: int) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        point = value.detach().requires_grad_()
        noise = _checked(standardization(point), value)
        # samples are independent, so the gradient of the sum of one component is its row in every Jacobian
        components = noise.unbind(-1) if event_dim else (noise,)
        rows = [torch.autograd.grad(component.sum(), point, retain_graph=True)[0] for component in components]
    return noise, torch.stack(rows, -2) if event_dim else rows[0]


def _by_newton(value: Tensor, standardization: Callable[[Tensor], Tensor], event_dim: int, order: int) -> Tensor:
    """``value`` with derivatives up to ``order``: Newton's steps with a constant Jacobian, each of which is zero.

    A step corrects the lowest derivative that is wrong: if S_φ(z) − ε is of order hⁿ in a change h of φ, it becomes of order
    hⁿ⁺¹. The Jacobian is not taken from the caller, so that a standardization that is constant in z gives NaN.
    """
    with set_forward_mode(False):  # tangents of φ would be discarded, and ask for one derivative more
        noise, pullback, *_ = torch.func.vjp(standardization, value)
        noise = _checked(noise, value).detach()
        if event_dim:
            units = torch.eye(value.shape[-1], dtype=value.dtype, device=value.device)
            jacobian = torch.stack([pullback(unit.expand_as(noise))[0] for unit in units], -2).detach()
        else:
            jacobian = pullback(torch.ones_like(noise))[0].detach()
    sample, tie = value, standardization(value)
    for _ in range(order):
        residual = standardization(sample) - noise
        if event_dim:
            step = torch.linalg.solve_triangular(jacobian, residual.unsqueeze(-1), upper=False).squeeze(-1)
        else:
            step = residual / jacobian
        sample = sample - step
    return _InsideTransforms.apply(sample, tie)


class _InsideTransforms(torch.autograd.Function):
    """Identity on ``value`` that only transformations of torch.func differentiate, whose number is known in advance.

    So are its derivatives: ``tie``, which depends on the parameters, leads any other differentiation to the error.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, tie: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        if not is_transformed():
            raise NotImplementedError(_NOT_IMPLEMENTED)
        return _InsideTransforms.apply(grad_outputs[0], *ctx.saved_tensors), None

    @staticmethod
    @forward_mode
    def jvp(saved: Sequence[Tensor], ctx: Any, *tangents: Any) -> Tensor:
        return _InsideTransforms.apply(tangents[0], *saved)


_NOT_IMPLEMENTED = (
    "second derivatives of samples are not implemented here. If they come from rsample of a distribution, ask for them by "
    "torch.func, such as jacrev(jacrev(f)), in place of create_graph=True"
)


def _checked(noise: Tensor, value: Tensor) -> Tensor:
    if noise.shape != value.shape:
        raise ValueError(f"standardization must keep the shape {tuple(value.shape)}, but returned {tuple(noise.shape)}")
    return noise


class _FirstOrder(torch.autograd.Function):
    """Identity on ``value`` forward; backward through ``noise`` with −(∂S/∂z)⁻ᵀ times the gradient; first order only."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, noise: Tensor, jacobian: Tensor, event_dim: int) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, noise, jacobian, ctx.event_dim = inputs
        ctx.save_for_backward(noise, jacobian)
        ctx.save_for_forward(noise, jacobian)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, Tensor, None, None]:
        (grad,), (noise, jacobian) = grad_outputs, ctx.saved_tensors
        if ctx.event_dim:
            solution = torch.linalg.solve_triangular(jacobian.mT, grad.unsqueeze(-1), upper=True).squeeze(-1)
        else:
            solution = grad / jacobian
        return None, first_order(-solution, noise), None, None


class _ForwardModeFirstOrder(_FirstOrder):
    """``_FirstOrder`` with forward-mode differentiation, which ``torch.compile`` cannot trace in a custom function."""

    @staticmethod
    @forward_mode
    def jvp(saved: Sequence[Tensor], ctx: Any, *tangents: Any) -> Tensor:
        tangent, (noise, jacobian) = tangents[1], saved
        if ctx.event_dim:
            solution = torch.linalg.solve_triangular(jacobian, tangent.unsqueeze(-1), upper=False).squeeze(-1)
        else:
            solution = tangent / jacobian
        return first_order(-solution, noise)


_EagerFirstOrder = eager(_ForwardModeFirstOrder)


def first_order(grad: Tensor, tie: Tensor) -> Tensor:
    """Return ``grad``, whose derivative raises NotImplementedError, for a derivative with factors that were held constant.

    Args:
        grad: the derivative.
        tie: a tensor that depends on the parameters, so that differentiating in them always raises the error.
    """
    return _FirstOrderOnly.apply(grad, tie)


class _FirstOrderOnly(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(grad: Tensor, tie: Tensor) -> Tensor:
        return grad.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, None]:
        raise NotImplementedError(_NOT_IMPLEMENTED)
