"""The Gamma sample derivative against mpmath, at its edges, and under torch's transformations."""

import math

import pytest
import torch
from torch import Tensor

from irg_experiments.implicit.special import gamma_sample_grad, log_gamma_sample_grad
from tests.truth.tables import sample_grad_truth

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def columns(function: str, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Two arguments in the dtype, the truth in float64; rows whose truth the dtype cannot hold are left out."""
    (a, z), truth, _ = sample_grad_truth("gamma", function)
    held = truth > torch.finfo(dtype).tiny
    return a[held].to(dtype), z[held].to(dtype), truth[held]


def worst_relative_error(value: Tensor, truth: Tensor) -> float:
    return ((value.double() - truth).abs() / truth).max().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_mpmath(dtype: torch.dtype):
    a, z, truth = columns("gamma_sample_grad", dtype)
    assert len(a) > 600
    assert worst_relative_error(gamma_sample_grad(a, z), truth) < TOLERANCE[dtype]
    assert worst_relative_error(log_gamma_sample_grad(a, z.log()) * z, truth) < 3 * TOLERANCE[dtype] * z.log().abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_in_log_space_against_mpmath(dtype: torch.dtype):
    a, log_z, truth = columns("log_gamma_sample_grad", dtype)
    assert log_z.min() < -1e6
    assert worst_relative_error(log_gamma_sample_grad(a, log_z), truth) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype):
    a, z = torch.tensor([0.5, 3.0], dtype=dtype), torch.tensor([0.25, 5.0], dtype=dtype)
    value = gamma_sample_grad(a, z)
    assert value.dtype == dtype
    assert torch.equal(value, gamma_sample_grad(a.float(), z.float()).to(dtype))


def test_edges():
    inf, nan = math.inf, math.nan
    a = torch.tensor([0.5, 2.0, 2.0, -1.0, 0.0, nan, 1.0, 1.0, 1.0])
    z = torch.tensor([0.0, 0.0, inf, 1.0, 1.0, 1.0, -1.0, nan, 1e-42])
    expected = torch.tensor([0.0, 0.0, inf, nan, nan, nan, nan, nan, 0.0])
    torch.testing.assert_close(gamma_sample_grad(a, z), expected, equal_nan=True, rtol=0, atol=1e-39)
    log_z = torch.tensor([-inf, inf, nan, 0.0])
    expected = torch.tensor([inf, 0.0, nan, nan])
    shapes = torch.tensor([2.0, 2.0, 2.0, -1.0])
    torch.testing.assert_close(log_gamma_sample_grad(shapes, log_z), expected, equal_nan=True)


def test_extreme_shapes_are_finite():
    a = torch.logspace(-6, 10, 100, dtype=torch.float64)
    # a sample at the mean of a large Gamma moves with it; log z of a small one is near (log u)/a
    for dtype in TOLERANCE:
        assert gamma_sample_grad(a.to(dtype), a.to(dtype)).isfinite().all()
        assert log_gamma_sample_grad(a.to(dtype), (-0.7 / a).to(dtype)).isfinite().all()


def test_arguments_broadcast():
    assert gamma_sample_grad(torch.rand(4, 1) + 0.1, torch.rand(3)).shape == (4, 3)


def test_under_vmap():
    a, z = torch.logspace(-3, 4, 64), torch.logspace(-4, 4, 64)
    torch.testing.assert_close(torch.func.vmap(gamma_sample_grad)(a, z), gamma_sample_grad(a, z))


@pytest.mark.compiler
def test_under_compile():
    a, z = torch.logspace(-3, 4, 64), torch.logspace(-4, 4, 64)
    torch.testing.assert_close(torch.compile(gamma_sample_grad, fullgraph=True)(a, z), gamma_sample_grad(a, z))


def test_its_derivative_refuses_to_be_differentiated():
    a = torch.tensor(2.0, requires_grad=True)
    (slope,) = torch.autograd.grad(gamma_sample_grad(a, torch.tensor(1.0)), a, create_graph=True)
    with pytest.raises(NotImplementedError, match="the second derivative of a Gamma sample cannot be differentiated"):
        slope.backward()
