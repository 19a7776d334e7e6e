"""GeneralizedGamma, Weibull, Gumbel and BetaPrime: their special cases, tails, and torch's classes."""

import copy
import math
import pickle

import mpmath as mp
import pytest
import scipy.stats
import torch
import torch.distributions as td

from irg_experiments import implicit


def double(*values: float) -> list[torch.Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def test_special_cases_of_the_generalized_gamma_distribution():
    k, scale, power, one = double(2.5, 1.7, 0.8, 1.0)
    value = torch.tensor([1e-3, 0.4, 2.0, 9.0], dtype=torch.float64)
    pairs = (
        (implicit.GeneralizedGamma(k, scale, one), implicit.Gamma(k, 1 / scale)),
        (implicit.GeneralizedGamma(one, scale, power), implicit.Weibull(scale, power)),
        (implicit.GeneralizedGamma(0.5 * one, scale * math.sqrt(2), 2 * one), td.HalfNormal(scale)),
    )
    for first, second in pairs:
        for method in ("log_prob", "cdf"):
            torch.testing.assert_close(getattr(first, method)(value), getattr(second, method)(value))
        torch.testing.assert_close(first.entropy(), second.entropy())
        torch.testing.assert_close(first.variance, second.variance)
    torch.testing.assert_close(
        td.kl_divergence(implicit.GeneralizedGamma(one, scale, power), implicit.GeneralizedGamma(one, one, 2 * power)),
        td.kl_divergence(implicit.Weibull(scale, power), implicit.Weibull(one, 2 * power)),
    )


@pytest.mark.parametrize(
    ("family", "p"),
    [(implicit.Weibull, scipy.stats.weibull_min(3.0, scale=0.7)), (implicit.Gumbel, scipy.stats.gumbel_r(0.7, 3.0))],
    ids=["Weibull", "Gumbel"],
)
def test_tails_of_weibull_and_gumbel(family, p):
    q = family(*double(0.7, 3.0))
    probability = torch.tensor([1e-12, 1e-3, 0.2, 0.5, 0.9], dtype=torch.float64)
    value = q.icdf(probability)
    torch.testing.assert_close(value, torch.tensor(p.ppf(probability.numpy())), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(q.cdf(value), probability, rtol=1e-11, atol=0)
    torch.testing.assert_close(q.log_cdf(value), probability.log(), rtol=1e-11, atol=0)
    upper = torch.tensor(p.isf([1e-3, 1e-10, 1e-100]))
    torch.testing.assert_close(q.survival_function(upper), torch.tensor(p.sf(upper.numpy())), rtol=1e-11, atol=0)
    torch.testing.assert_close(q.log_survival_function(upper), torch.tensor(p.logsf(upper.numpy())), rtol=1e-11, atol=0)


@pytest.mark.parametrize("family", ["Weibull", "Gumbel"])
def test_drop_in_for_torch(family: str):
    parameters = torch.tensor([0.7, 1.5]), torch.tensor([[3.0], [1.2]])
    ours, theirs = (getattr(module, family)(*parameters, validate_args=True) for module in (implicit, td))
    value = theirs.sample((4,))
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value))
    torch.testing.assert_close(ours.cdf(value), theirs.cdf(value))
    torch.testing.assert_close(ours.icdf(ours.cdf(value)), value, rtol=1e-3, atol=1e-3)
    for name in ("mean", "variance", "mode", "stddev"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert type(ours.expand((5, 2, 2))) is getattr(implicit, family)
    assert ours.expand((5, 2, 2)).rsample((3,)).shape == (3, 5, 2, 2)
    assert getattr(implicit, family)(1.0, 2.0).sample().shape == ()
    if family == "Gumbel":
        torch.testing.assert_close(td.kl_divergence(ours, ours), torch.zeros(2, 2))


def test_the_variance_of_concentrated_weibull_and_generalized_gamma_distributions():
    for k in (3.0, 1e3, 1e5):
        with mp.workdps(40):
            expected = mp.gamma(1 + 2 / mp.mpf(k)) - mp.gamma(1 + 1 / mp.mpf(k)) ** 2
        for q in (implicit.Weibull(*double(1.0, k)), implicit.GeneralizedGamma(*double(1.0, 1.0, k))):
            assert abs(q.variance.item() / float(expected) - 1) < 1e-16 * k**2 + 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_tails_of_beta_prime(dtype: torch.dtype):
    a, b = torch.tensor(2.5, dtype=dtype), torch.tensor(4.0, dtype=dtype)
    q, p = implicit.BetaPrime(a, b), scipy.stats.betaprime(2.5, 4.0)
    value = torch.tensor([1e-6, 1e-2, 1.0, 1e2, 1e6], dtype=dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-11
    for method in ("cdf", "sf"):
        ours = getattr(q, {"cdf": "cdf", "sf": "survival_function"}[method])(value)
        expected = torch.tensor(getattr(p, method)(value.double().numpy()), dtype=dtype)
        torch.testing.assert_close(ours, expected, rtol=tolerance, atol=0)
    infinite = implicit.BetaPrime(a, torch.tensor([0.5, 1.5, 2.5], dtype=dtype))
    assert infinite.mean.isinf().tolist() == [True, False, False]
    assert infinite.variance.isfinite().tolist() == [False, False, True]


@pytest.mark.parametrize("family", [implicit.Weibull, implicit.Gumbel])
def test_copies_expand(family):
    q = family(torch.tensor(0.7), torch.tensor(3.0))
    for same in (copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        expanded = same.expand((3, 2))
        assert type(expanded) is family
        assert expanded.sample((4,)).shape == (4, 3, 2)
        torch.testing.assert_close(expanded.mean, q.mean.expand(3, 2))
