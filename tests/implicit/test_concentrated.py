"""Densities and divergences of concentrated distributions, which are small differences of large terms, in both dtypes."""

from collections.abc import Callable
from typing import Any

import mpmath as mp
import pytest
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments import implicit

CONCENTRATIONS = (1e-3, 0.5, 1.0, 30.0, 1e3, 1e4, 1e5, 1e6)


def gamma_divergence(a: Any) -> Any:
    """Of Gamma(a, 3) from Gamma(2, 1)."""
    return (a - 2) * mp.digamma(a) - mp.loggamma(a) + 2 * mp.log(3) + a * (mp.mpf(1) / 3 - 1)


def gamma_entropy(a: Any) -> Any:
    return a - mp.log(3) + mp.loggamma(a) + (1 - a) * mp.digamma(a)


def log_beta(a: Any, b: Any) -> Any:
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def beta_entropy(a: Any) -> Any:
    """Of Beta(a, 2a), which is minus the divergence from the uniform distribution."""
    b = 2 * a
    return log_beta(a, b) - (a - 1) * mp.digamma(a) - (b - 1) * mp.digamma(b) + (a + b - 2) * mp.digamma(a + b)


def von_mises_negentropy(k: Any) -> Any:
    """The divergence from the uniform distribution on the circle."""
    return k * mp.besseli(1, k) / mp.besseli(0, k) - mp.log(mp.besseli(0, k))


def student_t_entropy(df: Any) -> Any:
    s = df / 2
    return (s + 0.5) * (mp.digamma(s + 0.5) - mp.digamma(s)) + log_beta(s, mp.mpf("0.5")) + mp.log(df) / 2


def dirichlet_entropy(a: Any) -> Any:
    """Of Dirichlet(a, a, a)."""
    log_normaliser = 3 * mp.loggamma(a) - mp.loggamma(3 * a)
    return log_normaliser + (3 * a - 3) * mp.digamma(3 * a) - 3 * (a - 1) * mp.digamma(a)


def fisher_snedecor_entropy(df: Any) -> Any:
    """Of FisherSnedecor(df, 2 df)."""
    a, b = df / 2, df
    digammas = (1 - a) * mp.digamma(a) - (1 + b) * mp.digamma(b) + (a + b) * mp.digamma(a + b)
    return log_beta(a, b) + digammas + mp.log(2)


def ones(a: Tensor) -> Tensor:
    return torch.ones_like(a)


CASES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Any], Any]]] = {
    "Gamma divergence": (
        lambda a: td.kl_divergence(implicit.Gamma(a, 3 * ones(a)), implicit.Gamma(2 * ones(a), ones(a))),
        gamma_divergence,
    ),
    "Gamma entropy": (lambda a: implicit.Gamma(a, 3 * ones(a)).entropy(), gamma_entropy),
    "Beta divergence": (
        lambda a: td.kl_divergence(implicit.Beta(a, 2 * a), implicit.Beta(ones(a), ones(a))),
        lambda a: -beta_entropy(a),
    ),
    "Beta entropy": (lambda a: implicit.Beta(a, 2 * a).entropy(), beta_entropy),
    "InverseGamma entropy": (
        lambda a: implicit.InverseGamma(a, 3 * ones(a)).entropy(),
        lambda a: a + mp.log(3) + mp.loggamma(a) - (1 + a) * mp.digamma(a),
    ),
    "LogGamma entropy": (
        lambda a: implicit.LogGamma(a, 3 * ones(a)).entropy(),
        lambda a: a + mp.loggamma(a) - a * mp.digamma(a),
    ),
    "StudentT entropy": (lambda a: implicit.StudentT(a).entropy(), student_t_entropy),
    "Dirichlet entropy": (lambda a: implicit.Dirichlet(a.unsqueeze(-1).expand(-1, 3)).entropy(), dirichlet_entropy),
    "FisherSnedecor entropy": (lambda a: implicit.FisherSnedecor(a, 2 * a).entropy(), fisher_snedecor_entropy),
    "von Mises divergence": (
        lambda a: td.kl_divergence(implicit.VonMises(0.5 * ones(a), a), implicit.VonMises(0 * a.detach(), 0 * a.detach())),
        von_mises_negentropy,
    ),
    "von Mises entropy": (
        lambda a: implicit.VonMises(0.5 * ones(a), a).entropy(),
        lambda k: mp.log(2 * mp.pi) - von_mises_negentropy(k),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_against_mpmath(name: str, dtype: torch.dtype):
    """The gradient by the logarithm of the concentration, which is of order one."""
    ours, truth = CASES[name]
    a = torch.tensor(CONCENTRATIONS, dtype=dtype, requires_grad=True)
    value = ours(a)
    (gradient,) = torch.autograd.grad(value.sum(), a)
    with mp.workdps(40):
        points = [mp.mpf(x) for x in a.tolist()]
        expected = torch.tensor([float(truth(x)) for x in points], dtype=dtype)
        slopes = torch.tensor([float(x * mp.diff(truth, x, h=x * mp.mpf("1e-12"))) for x in points], dtype=dtype)
    tolerance = 2e-6 if dtype == torch.float32 else 3e-9  # terms of 1e7 in float64
    torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(gradient * a.detach(), slopes, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_log_densities_in_single_precision(concentration: float):
    """Near the mode, for the float32 parameters and value as they are."""
    a = torch.tensor(concentration, dtype=torch.float32)
    high = torch.float64
    cases = [
        (implicit.Gamma(a, 0.5 * a), td.Gamma(a.to(high), 0.5 * a.to(high)), torch.tensor(2.0)),
        (implicit.InverseGamma(a, 2 * a), td.InverseGamma(a.to(high), 2 * a.to(high)), torch.tensor(2.0)),
        (implicit.StudentT(a, 0.5, 2.0), td.StudentT(a.to(high), 0.5, 2.0), torch.tensor(1.5)),
        (implicit.FisherSnedecor(a, 2 * a), td.FisherSnedecor(a.to(high), 2 * a.to(high)), torch.tensor(1.0)),
        (implicit.Beta(a, 2 * a), td.Beta(a.to(high), 2 * a.to(high)), torch.tensor(1 / 3)),
    ]
    for single, double, value in cases:
        expected = double.log_prob(value.to(high))
        torch.testing.assert_close(single.log_prob(value).to(high), expected, rtol=2e-7, atol=1e-6)
    k = a.to(high)
    expected = -(2 * torch.pi * torch.special.i0e(k)).log()
    torch.testing.assert_close(implicit.VonMises(0 * a, a).log_prob(0 * a).to(high), expected, rtol=2e-7, atol=1e-6)


def test_dtypes_are_promoted_as_torch_does():
    a, b = torch.full((3,), 2.0), torch.tensor(2.0, dtype=torch.float64)
    for ours, torchs in ((implicit.Gamma, td.Gamma), (implicit.Beta, td.Beta), (implicit.FisherSnedecor, td.FisherSnedecor)):
        for value in ((b / 4).float(), (b / 4).expand(3)):
            expected = torchs(a, a).log_prob(value)
            assert ours(a, a).log_prob(value).dtype == expected.dtype
            torch.testing.assert_close(ours(a, a).log_prob(value), expected)
    assert td.kl_divergence(implicit.Gamma(a, a), implicit.Gamma(b, b)).dtype == torch.float32
    torch.testing.assert_close(
        implicit.Gamma(a, a, validate_args=False).log_prob(0.5), td.Gamma(a, a, validate_args=False).log_prob(0.5)
    )


@pytest.mark.parametrize("df", [59.0, 61.0, 1e4, 1e7, 1e10])
@pytest.mark.parametrize("t", [0.1, -5.0])
def test_the_density_of_student_t_with_many_degrees_of_freedom(df: float, t: float):
    """The difference of ln Γ in its normaliser keeps its digits."""
    with mp.workdps(50):
        n, square = mp.mpf(df), mp.mpf(t) ** 2
        expected = mp.loggamma((n + 1) / 2) - mp.loggamma(n / 2) - mp.log(mp.pi * n) / 2
        expected = torch.tensor(float(expected - (n + 1) / 2 * mp.log1p(square / n)), dtype=torch.float64)
    arguments = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (df, t)]
    log_prob = implicit.StudentT(arguments[0]).log_prob(arguments[1])
    torch.testing.assert_close(log_prob.detach(), expected, rtol=0, atol=4e-15)
    (density,) = torch.autograd.grad(implicit.special.stdtr(*arguments), arguments[1])
    torch.testing.assert_close(density, expected.exp(), rtol=3e-14, atol=0)
