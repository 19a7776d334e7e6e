"""Quantiles of mixtures: values and derivatives against mpmath, in both tails and every mode of differentiation."""

import mpmath
import pytest
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments import implicit
from tests.implicit.test_quantiles import Exponential


class WithoutQuantile(Exponential):
    """The same without ``icdf``."""

    def icdf(self, value: Tensor) -> Tensor:
        raise NotImplementedError


@pytest.mark.parametrize("normal", [td.Normal, implicit.Normal])
@pytest.mark.parametrize("p", [1e-300, 1e-30, 1e-3, 0.5, 1 - 1e-12, 1 - 2**-53])
def test_mixtures_have_the_tails_of_normal_components(normal: type[td.Normal], p: float):
    weights, loc, scale = (
        torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in ([0.3, 0.7], [-1.0, 2.0], [1.0, 0.5])
    )
    q = implicit.MixtureSameFamily(td.Categorical(weights), normal(loc, scale))
    with mpmath.workdps(40):

        def log_odds(z: mpmath.mpf) -> mpmath.mpf:
            tails = [(w * mpmath.ncdf(s * x), w * mpmath.ncdf(-s * x)) for w, s, x in ((0.3, 1, z + 1), (0.7, 2, z - 2))]
            return mpmath.log(sum(lower for lower, _ in tails) / sum(upper for _, upper in tails))

        target = mpmath.log(mpmath.mpf(p) / (1 - mpmath.mpf(p)))
        z = mpmath.findroot(lambda z: log_odds(z) - target, (-40, 10), solver="anderson", tol=1e-25)
        parts = [w * s * mpmath.npdf(s * x) for w, s, x in ((0.3, 1, z + 1), (0.7, 2, z - 2))]
        expected = torch.tensor([float(part / sum(parts)) for part in parts], dtype=torch.float64)
    for value in (q.icdf(torch.tensor(p, dtype=torch.float64)), q.rsample_from(torch.tensor(p, dtype=torch.float64))):
        assert abs(value.item() - float(z)) <= 1e-13 * abs(float(z))
        grads = torch.autograd.grad(value, (loc, scale, weights), retain_graph=True)  # the weights are normalised once
        torch.testing.assert_close(grads[0], expected, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(grads[1], expected * ((value - loc) / scale).detach(), rtol=1e-11, atol=1e-10)
        assert grads[2].isfinite().all()


@pytest.mark.parametrize("p", [1e-30, 1e-17, 1 - 2**-53])
def test_mixtures_of_components_without_tails_stay_finite(p: float):
    """The distribution function of torch's Laplace distribution has no digit below 1e-16."""
    loc = torch.tensor([-1.0, 2.0], dtype=torch.float64, requires_grad=True)
    q = implicit.MixtureSameFamily(td.Categorical(torch.ones(2, dtype=torch.float64)), td.Laplace(loc, 1.0))
    value = q.rsample_from(torch.tensor(p, dtype=torch.float64))
    assert 30 < value.abs() < 40
    (grad,) = torch.autograd.grad(value, loc)
    assert grad.isfinite().all()


MIXTURES = {
    "distant normals": implicit.Normal(torch.tensor([-50.0, 40.0]).double(), torch.tensor([1e-3, 5.0]).double()),
    "gammas": implicit.Gamma(torch.tensor([0.05, 30.0]).double(), torch.tensor([1.0, 2.0]).double()),
    "circle": implicit.VonMises(torch.tensor([-1.0, 2.5]).double(), torch.tensor([3.0, 8.0]).double()),
    "numerical": Exponential(torch.tensor([0.3, 20.0]).double()),
    "no quantiles": WithoutQuantile(torch.tensor([0.3, 20.0]).double()),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_quantiles_of_mixtures(name: str):
    q = implicit.MixtureSameFamily(td.Categorical(torch.tensor([0.3, 0.7]).double()), MIXTURES[name])
    p = torch.tensor([1e-9, 0.1, 0.2999, 0.3001, 0.6, 1 - 1e-9], dtype=torch.float64)
    value = q.icdf(p)
    slack = 4 * torch.finfo(p.dtype).eps * (value.abs() * q.log_prob(value).exp())
    assert ((q.cdf(value) - p).abs() <= 1e-15 + 1e-13 * p + slack).all()


def test_gradients_of_a_mixture_s_quantile_against_mpmath():
    logits, loc, scale = (
        torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in ([0.0, 1.0], [-1.0, 2.0], [0.5, 1.5])
    )
    q = implicit.MixtureSameFamily(td.Categorical(logits=logits), implicit.Normal(loc, scale))
    p = torch.tensor([1e-12, 0.2, 0.999], dtype=torch.float64)
    value = q.icdf(p)
    grads = [torch.autograd.grad(z, (logits, loc, scale), retain_graph=True) for z in value]
    with mpmath.workdps(50):

        def cdf(z, *parameters):
            a, b, m, n, s, t = parameters
            weight = mpmath.exp(a) / (mpmath.exp(a) + mpmath.exp(b))
            return weight * mpmath.ncdf((z - m) / s) + (1 - weight) * mpmath.ncdf((z - n) / t)

        parameters = [mpmath.mpf(x) for tensor in (logits, loc, scale) for x in tensor.tolist()]
        for probability, z, grad in zip(p.tolist(), value.tolist(), grads, strict=True):
            exact = mpmath.findroot(lambda x, p=probability: mpmath.log(cdf(x, *parameters) / p), mpmath.mpf(z))
            assert abs(z - exact) < 1e-13 * abs(exact)
            density = mpmath.diff(lambda x: cdf(x, *parameters), exact)
            flat = torch.cat(grad).tolist()
            for index, ours in enumerate(flat):
                moved = [0] * 6
                moved[index] = 1
                slope = mpmath.diff(lambda *x, z=exact: cdf(z, *x), tuple(parameters), tuple(moved))
                assert abs(ours + slope / density) < 1e-11 * max(1, abs(slope / density))


def mixture_quantile(e: Tensor) -> Tensor:
    components = implicit.Gumbel(torch.stack([e, 1 - e]), 1 + e, validate_args=False)
    weights = td.Categorical(logits=torch.stack([e, 2 * e]), validate_args=False)
    return implicit.MixtureSameFamily(weights, components, validate_args=False).icdf(torch.tensor(0.3, dtype=e.dtype))


def test_derivatives_of_a_mixture_s_quantile_in_every_mode():
    e, step = torch.tensor(0.7, dtype=torch.float64), 1e-4
    above, at, below = (mixture_quantile(e + k * step) for k in (1, 0, -1))
    for first in (torch.func.jacrev, torch.func.jacfwd):
        torch.testing.assert_close(first(mixture_quantile)(e), (above - below) / (2 * step), rtol=1e-7, atol=0)
        for second in (torch.func.jacrev, torch.func.jacfwd):
            curvature = second(first(mixture_quantile))(e)
            torch.testing.assert_close(curvature, (above - 2 * at + below) / step**2, rtol=1e-5, atol=0)
