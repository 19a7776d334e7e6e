"""The divergence of truncated normal distributions against quadrature by mpmath, and its limits."""

import math

import mpmath as mp
import pytest
import torch
import torch.distributions as td

from irg_experiments import implicit
from irg_experiments.implicit.distributions.truncated import Truncated

INF = math.inf
# loc, scale, low and high of p and of q
PAIRS = [
    ((0.0, 1.0, -1.0, 2.0), (0.5, 2.0, -1.0, 2.0)),
    ((0.0, 1.0, -1.0, 2.0), (0.5, 2.0, -3.0, INF)),
    ((0.3, 0.5, -INF, 2.0), (-1.0, 0.7, -INF, 2.0)),
    ((0.3, 0.5, -INF, INF), (-1.0, 0.7, -INF, INF)),
    ((0.0, 1.0, 8.0, INF), (1.0, 1.5, 5.0, INF)),
    ((0.0, 1.0, 30.0, 31.0), (0.0, 2.0, 29.0, 31.0)),
    ((0.0, 2.0, -60.0, -50.0), (-55.0, 2.0, -60.0, -50.0)),
    ((0.0, 1.0, 0.0, 0.01), (2.0, 1.0, 0.0, 0.02)),
]


def normal(values: tuple[float, ...], dtype: torch.dtype = torch.float64) -> Truncated:
    loc, scale, low, high = (torch.tensor(value, dtype=dtype) for value in values)
    return Truncated(implicit.Normal(loc, scale), low, high)


def truth(p: tuple[float, ...], q: tuple[float, ...]) -> float:
    """By integration of the density, with exponents relative to their largest."""

    def log_density(values: tuple[float, ...]):
        loc, scale, low, high = map(mp.mpf, values)
        mass = mp.ncdf((high - loc) / scale) - mp.ncdf((low - loc) / scale)
        if low > loc:
            mass = mp.ncdf((loc - low) / scale) - mp.ncdf((loc - high) / scale)
        return lambda z: -((z - loc) ** 2) / (2 * scale**2) - mp.log(scale * mp.sqrt(2 * mp.pi) * mass)

    with mp.workdps(40):
        first, second = log_density(p), log_density(q)
        loc, scale, low, high = p
        ends = max(low, min(loc, high) - 14 * scale), min(high, max(loc, low) + 14 * scale)
        points = [ends[0] + (ends[1] - ends[0]) * mp.mpf(k) / 24 for k in range(25)]
        return float(mp.quad(lambda z: mp.exp(first(z)) * (first(z) - second(z)), points))


@pytest.mark.parametrize(("p", "q"), PAIRS, ids=str)
def test_against_mpmath(p: tuple[float, ...], q: tuple[float, ...]):
    expected = truth(p, q)
    loc, scale, low, high = p
    width = min((high - low) / scale, 1)
    near = 0 if low < loc < high else min(abs(low - loc), abs(high - loc)) / scale
    tolerance = 3e-15 * (1 + near**2) / width**2
    assert abs(td.kl_divergence(normal(p), normal(q)).item() - expected) < tolerance
    single = td.kl_divergence(normal(p, torch.float32), normal(q, torch.float32))
    assert single.dtype == torch.float32
    # the ends are rounded
    assert abs(single.item() - expected) < 1e-5 * (1 + abs(expected)) / width


def test_infinite_where_the_interval_is_exceeded():
    p = normal((0.0, 1.0, -1.0, 2.0))
    for low, high in ((-0.5, 3.0), (-2.0, 1.0), (-0.5, 1.0)):
        assert td.kl_divergence(p, normal((0.0, 1.0, low, high))) == INF
    assert td.kl_divergence(normal((0.0, 1.0, -INF, 2.0)), p) == INF
    assert td.kl_divergence(p, p) == 0


def test_against_a_normal_distribution():
    p, q = normal((0.3, 1.2, -1.0, 2.0)), implicit.Normal(*torch.tensor([0.1, 0.8], dtype=torch.float64))
    assert abs(td.kl_divergence(p, q).item() - truth((0.3, 1.2, -1.0, 2.0), (0.1, 0.8, -INF, INF))) < 1e-14
    whole = normal((0.3, 1.2, -INF, INF))
    torch.testing.assert_close(td.kl_divergence(whole, q), td.kl_divergence(whole.base, q))


def test_derivatives_twice():
    values = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 1.2, -0.5, 2.0, -0.1, 0.8)]

    def divergence(loc, scale, low, high, other_loc, other_scale):
        first = Truncated(implicit.Normal(loc, scale), low, high, validate_args=False)
        return td.kl_divergence(first, Truncated(implicit.Normal(other_loc, other_scale), -1.0, validate_args=False))

    assert torch.autograd.gradcheck(divergence, values)
    assert torch.autograd.gradgradcheck(divergence, values)


def test_other_bases_have_none():
    p = Truncated(implicit.Gamma(torch.tensor(2.0), torch.tensor(1.0)), 1.0, 2.0)
    with pytest.raises(NotImplementedError, match="truncated Gamma"):
        td.kl_divergence(p, p)
