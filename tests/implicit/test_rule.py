import pytest
import torch
from torch.distributions import Normal

from irg_experiments.implicit import implicit_sample, reparameterize


def test_normal_by_its_cdf_equals_the_explicit_reparameterization():
    loc = torch.tensor([-1.0, 0.5], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([0.3, 2.0], dtype=torch.float64, requires_grad=True)
    noise = torch.randn(1000, 2, dtype=torch.float64)
    value = (loc + scale * noise).detach()
    weight = torch.randn_like(value)
    sample = reparameterize(value, lambda z: Normal(loc, scale).cdf(z))
    assert torch.equal(sample, value)
    grads = torch.autograd.grad((weight * sample).sum(), (loc, scale))
    torch.testing.assert_close(grads, (weight.sum(0), (weight * noise).sum(0)), rtol=1e-9, atol=1e-9)


def test_vectors_by_the_distributional_transform_equal_the_explicit_reparameterization():
    loc = torch.randn(3, dtype=torch.float64, requires_grad=True)
    scale_tril = (torch.randn(3, 3, dtype=torch.float64).tril() + 3 * torch.eye(3, dtype=torch.float64)).requires_grad_()
    noise, weight = torch.randn(2, 100, 3, dtype=torch.float64)
    explicit = loc + noise @ scale_tril.mT

    def standardization(z: torch.Tensor) -> torch.Tensor:
        # F(z_i | z_1..z_{i-1}): the conditional of a normal vector is normal, standardized by its Cholesky factor
        return torch.special.ndtr(torch.linalg.solve_triangular(scale_tril, (z - loc).mT, upper=False).mT)

    sample = reparameterize(explicit, standardization, event_dim=1)
    assert torch.equal(sample, explicit)
    grads, expected = (torch.autograd.grad((weight * z).sum(), (loc, scale_tril)) for z in (sample, explicit))
    torch.testing.assert_close(grads[0], expected[0])
    torch.testing.assert_close(grads[1].tril(), expected[1].tril())


def test_standardization_must_keep_the_shape():
    with pytest.raises(ValueError, match=r"keep the shape \(3,\)"):
        reparameterize(torch.ones(3), lambda z: z.sum())
    with pytest.raises(ValueError, match="event_dim must be 0"):
        reparameterize(torch.ones(3), lambda z: z, event_dim=2)


def test_second_derivatives_of_a_generic_standardization_raise():
    scale = torch.tensor(2.0, requires_grad=True)
    sample = reparameterize(torch.tensor(1.0), lambda z: z / scale)
    (grad,) = torch.autograd.grad(sample, scale, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivatives of samples are not implemented"):
        torch.autograd.grad(grad, scale)


def exponential_sample_grad(scale: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """z = scale · ε, so dz/dscale = z / scale."""
    return z / scale


def test_closed_form_in_reverse_and_forward_mode_and_under_vmap():
    scale, value = torch.rand(5) + 0.5, torch.rand(5)

    def sample(scale: torch.Tensor) -> torch.Tensor:
        return implicit_sample(value, exponential_sample_grad, scale)

    expected = value / scale
    _, pullback = torch.func.vjp(sample, scale)
    torch.testing.assert_close(pullback(torch.ones(5))[0], expected)
    torch.testing.assert_close(torch.func.jvp(sample, (scale,), (torch.ones(5),))[1], expected)
    one = torch.func.grad(lambda scale, value: implicit_sample(value, exponential_sample_grad, scale))
    torch.testing.assert_close(torch.func.vmap(one)(scale, value), expected)


def test_closed_form_differentiates_twice_where_its_derivative_does():
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    square = implicit_sample(torch.tensor(3.0, dtype=torch.float64), exponential_sample_grad, scale) ** 2
    (first,) = torch.autograd.grad(square, scale, create_graph=True)
    (second,) = torch.autograd.grad(first, scale)
    # z = 1.5 scale, z² = 2.25 scale²
    torch.testing.assert_close((first.item(), second.item()), (9.0, 4.5))


def test_a_known_jacobian_takes_the_place_of_automatic_differentiation():
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    scale_tril = (torch.eye(3, dtype=torch.float64) + torch.ones(3, 3, dtype=torch.float64).tril()).requires_grad_()
    value, weight = torch.randn(2, 10, 3, dtype=torch.float64)
    inverse = torch.linalg.inv(scale_tril).detach()
    cases = (
        (scale, 0, lambda z: (z / scale).tanh(), (1 - (value / scale).tanh() ** 2) / scale),
        # what lies above the diagonal is not read
        (scale_tril, 1, lambda z: z @ scale_tril.inverse().mT, (inverse + torch.ones(3, 3).triu(1)).expand(10, 3, 3)),
    )
    for parameter, event_dim, standardization, jacobian in cases:
        samples = (reparameterize(value, standardization, event_dim, j) for j in (None, jacobian))
        grads = [torch.autograd.grad((weight * z).sum(), parameter)[0] for z in samples]
        torch.testing.assert_close(*(grad.tril() if event_dim else grad for grad in grads))
        with pytest.raises(ValueError, match="jacobian has shape"):
            reparameterize(value, standardization, event_dim, jacobian[0])


def test_a_known_jacobian_needs_no_derivative_in_z_and_works_below_transforms():
    value = torch.rand(4, 5)

    def sample(scale: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return reparameterize(value, lambda z: z.detach() / scale, jacobian=(1 / scale).expand(value.shape))

    scale = torch.rand(4) + 0.5
    grad = torch.func.vmap(torch.func.grad(lambda scale, value: sample(scale, value).sum()))(scale, value)
    torch.testing.assert_close(grad, value.sum(-1) / scale)
    assert not sample(torch.tensor(1.0), value).requires_grad
