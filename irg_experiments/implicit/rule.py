"""The implicit reparameterization rule, written once.

A standardization function S_φ maps a sample z ~ q_φ to noise ε = S_φ(z) whose distribution is free of φ. Holding ε fixed
and differentiating S_φ(z) = ε gives the derivative of the sample without ever inverting S (Figurnov, Mohamed & Mnih 2018):

    ∇φ z = −(∇z S_φ(z))⁻¹ ∇φ S_φ(z)

For a univariate distribution S is the cumulative distribution function F and dz/dφ = −(∂F/∂φ)/q_φ(z). The sampler and the
gradient are independent: z may come from any sampler, rejection included.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

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
    """The same with forward-mode differentiation, which ``torch.compile`` cannot trace in a custom function."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        parameter, value = ctx.saved_tensors
        return tangents[2] * ctx.sample_grad(parameter, value)


def implicit_sample(value: Tensor, sample_grad: SampleGrad, parameter: Tensor) -> Tensor:
    """A sample that carries its implicit gradient, where −(∂F/∂φ)/q is known in closed form.

    Args:
        value: the sample z, of any shape; its own gradient history is dropped.
        sample_grad: ``sample_grad(parameter, value)`` returns dz/dφ at fixed F_φ(z), of the shape of ``value``. Called in
            the backward pass only, so a sample that is never differentiated costs nothing.
        parameter: φ, of the shape of ``value``.

    Returns:
        ``value``, with dz/dφ attached.

    Second derivatives are what differentiating ``sample_grad`` gives; a ``sample_grad`` that cannot be differentiated must
    raise (see ``irg_experiments.implicit.special``).
    """
    function = _ImplicitSample if torch.compiler.is_compiling() else _ForwardModeImplicitSample
    return function.apply(value.detach(), sample_grad, parameter)


def reparameterize(value: Tensor, standardization: Callable[[Tensor], Tensor]) -> Tensor:
    """A sample that carries the implicit gradient of any univariate standardization function, by automatic differentiation.

    Args:
        value: the sample z, of any shape; its own gradient history is dropped.
        standardization: maps z to ε = S_φ(z) elementwise, of the same shape: a cumulative distribution function, or any
            strictly monotone function of one whose ε is free of φ. The parameters φ are in its closure and receive the
            gradient; it must be differentiable in z and in φ.

    Returns:
        ``value``, with dz/dφ = −(∂S/∂φ)/(∂S/∂z) attached; differentiating a second time raises NotImplementedError.

    Raises:
        ValueError: ``standardization`` changes the shape.

    Source: Figurnov, Mohamed & Mnih (2018).
    """
    with torch.enable_grad():
        point = value.detach().requires_grad_()
        noise = standardization(point)
        if noise.shape != value.shape:
            raise ValueError(f"standardization must keep the shape {tuple(value.shape)}, but returned {tuple(noise.shape)}")
        (slope,) = torch.autograd.grad(noise.sum(), point, retain_graph=True)
    return _FirstOrder.apply(value.detach(), noise, slope)


class _FirstOrder(torch.autograd.Function):
    """Identity on ``value``; the gradient reaches φ through ``noise`` as −grad/slope, once."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, noise: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(noise, slope)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        noise, slope = ctx.saved_tensors
        return None, _NotTwice.apply(-grad / slope, noise), None


class _NotTwice(torch.autograd.Function):
    """Identity on ``grad`` that cannot be differentiated. ``noise`` ties it to φ, so that no way to φ goes around it."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, noise: Tensor) -> Tensor:
        return grad.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None]:
        raise NotImplementedError("reparameterize gives first derivatives only: its slope ∂S/∂z is held constant")
