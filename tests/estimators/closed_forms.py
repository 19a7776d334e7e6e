"""Expectations in closed form, whose derivatives are the truth, and the checks that every estimator is put to.

A statistical check says how many draws it takes; tests/statistics.py judges them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.estimators import Estimator
from irg_experiments.implicit import Beta, Dirichlet, Gamma, Normal, VonMises
from tests.statistics import assert_below_threshold, z_scores


@dataclass(frozen=True)
class Case:
    """E_q[f(z)] = mean(*parameters), q = family(*parameters)."""

    name: str
    family: Callable[..., Distribution]
    parameters: tuple[float | tuple[float, ...], ...]
    f: Callable[[Tensor], Tensor]
    mean: Callable[..., Tensor]

    def tensors(self) -> list[Tensor]:
        return [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in self.parameters]

    def gradients(self) -> list[Tensor]:
        tensors = self.tensors()
        return list(torch.autograd.grad(self.mean(*tensors), tensors, allow_unused=True, materialize_grads=True))


def _gamma(shape: float) -> list[Case]:
    parameters = (shape, 2.0)
    return [
        Case(f"gamma({shape})-z", Gamma, parameters, lambda z: z, lambda a, r: a / r),
        Case(f"gamma({shape})-z²", Gamma, parameters, lambda z: z**2, lambda a, r: a * (a + 1) / r**2),
        Case(f"gamma({shape})-log", Gamma, parameters, torch.log, lambda a, r: a.digamma() - r.log()),
    ]


def _beta(a: float, b: float) -> list[Case]:
    return [
        Case(f"beta({a},{b})-z", Beta, (a, b), lambda z: z, lambda a, b: a / (a + b)),
        Case(f"beta({a},{b})-z²", Beta, (a, b), lambda z: z**2, lambda a, b: a * (a + 1) / ((a + b) * (a + b + 1))),
        Case(f"beta({a},{b})-log", Beta, (a, b), torch.log, lambda a, b: a.digamma() - (a + b).digamma()),
    ]


def _dirichlet(*alpha: float) -> list[Case]:
    def product(a: Tensor) -> Tensor:
        return a[0] * a[1] / (a.sum() * (a.sum() + 1))

    return [
        Case(f"dirichlet{alpha}-θ", Dirichlet, (alpha,), lambda z: z[..., 0], lambda a: a[0] / a.sum()),
        Case(f"dirichlet{alpha}-θθ", Dirichlet, (alpha,), lambda z: z[..., 0] * z[..., 1], product),
        Case(
            f"dirichlet{alpha}-log",
            Dirichlet,
            (alpha,),
            lambda z: z[..., 0].log(),
            lambda a: a[0].digamma() - a.sum().digamma(),
        ),
    ]


def _von_mises(concentration: float) -> list[Case]:
    def ratio(k: Tensor) -> Tensor:
        return torch.special.i1(k) / torch.special.i0(k)

    parameters = (0.5, concentration)
    return [
        Case(f"von_mises({concentration})-cos", VonMises, parameters, torch.cos, lambda m, k: m.cos() * ratio(k)),
        Case(
            f"von_mises({concentration})-sin2",
            VonMises,
            parameters,
            lambda z: (2 * z).sin(),
            lambda m, k: (2 * m).sin() * (1 - 2 * ratio(k) / k),
        ),
    ]


GAMMAS = [case for shape in (0.3, 1.5, 20.0) for case in _gamma(shape)]
BETAS = [*_beta(0.3, 0.7), *_beta(1.5, 20.0)]
DIRICHLETS = [*_dirichlet(0.3, 0.7, 1.0), *_dirichlet(1.5, 4.0, 20.0)]
VON_MISES = [case for concentration in (0.2, 1.5, 20.0) for case in _von_mises(concentration)]
NORMALS = [
    Case("normal-z", Normal, (0.5, 2.0), lambda z: z, lambda m, s: 1.0 * m),
    Case("normal-z²", Normal, (0.5, 2.0), lambda z: z**2, lambda m, s: m**2 + s**2),
    Case("normal-sin", Normal, (0.5, 2.0), torch.sin, lambda m, s: m.sin() * (-(s**2) / 2).exp()),
]
THROUGH_GAMMAS = [*GAMMAS, *BETAS, *DIRICHLETS]


def over(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def gradient_samples(estimator: Estimator, case: Case, draws: int, num_samples: int = 1) -> list[Tensor]:
    """Independent estimates of the gradient in each parameter, of shape (draws, ...)."""
    parameters = [p.detach().expand(draws, *p.shape).clone().requires_grad_() for p in case.tensors()]
    estimate = estimator.expectation(case.f, case.family(*parameters), num_samples)
    assert estimate.shape == (draws,)
    return list(torch.autograd.grad(estimate.sum(), parameters))


def gradient_z_scores(estimator: Estimator, case: Case, draws: int, num_samples: int = 1, bias: float = 0.0) -> Tensor:
    """Errors of the mean gradient in standard errors, less what a relative bias allows."""
    pairs = zip(gradient_samples(estimator, case, draws, num_samples), case.gradients(), strict=True)
    return torch.cat([z_scores(samples, truth, bias).reshape(-1) for samples, truth in pairs])


def assert_unbiased(estimator: Estimator, case: Case, draws: int, num_samples: int = 1, bias: float = 0.0) -> None:
    assert_below_threshold(gradient_z_scores(estimator, case, draws, num_samples, bias), case.name)


def assert_follows_the_protocol(estimator: Estimator, case: Case) -> None:
    """The value is the plain mean of f; the gradient reaches what f closes over; second derivatives are right or raise."""
    parameters = [p.detach().expand(3, *p.shape).clone().requires_grad_() for p in case.tensors()]
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    evaluations = []

    def f(z: Tensor) -> Tensor:
        evaluations.append(case.f(z).detach())
        return weight * case.f(z)

    estimate = estimator.expectation(f, case.family(*parameters), 7)
    torch.testing.assert_close(estimate.detach(), (2 * evaluations[0]).mean(0))
    *grads, grad_weight = torch.autograd.grad(estimate.sum(), [*parameters, weight], create_graph=True)
    torch.testing.assert_close(grad_weight.detach(), evaluations[0].mean(0).sum())
    assert all(grad.isfinite().all() for grad in grads)
    with torch.no_grad():
        assert estimator.expectation(f, case.family(*parameters), 7).shape == (3,)
    with pytest.raises(NotImplementedError, match=r"derivatives|cannot be differentiated"):
        torch.autograd.grad(sum(grad.sum() for grad in grads), parameters)
