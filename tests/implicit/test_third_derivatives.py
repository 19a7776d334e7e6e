"""Third derivatives of samples and special functions that have them: against mpmath, and as differences of the second."""

from collections.abc import Callable

import mpmath as mp
import pytest
import torch
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.implicit import special
from irg_experiments.implicit.rule import implicit_sample


def mills(t: mp.mpf) -> mp.mpf:
    return mp.ncdf(-t) / mp.npdf(t)


def skew_normal(alpha: mp.mpf, x: mp.mpf) -> mp.mpf:
    return 1 / (mills(-alpha * x) * (1 + alpha**2))


def two_piece_normal(gamma: mp.mpf, x: mp.mpf) -> mp.mpf:
    return abs(x) / gamma + 2 * mills(-gamma * x if x < 0 else x / gamma) / (1 + gamma**2)


def inverse_gaussian(c: mp.mpf, y: mp.mpf) -> mp.mpf:
    b = mp.sqrt(c / y) * (y + 1)
    return y / c * ((1 - y) + 2 * y * (1 - b * mills(b))) / (1 + y)


def inverse_gaussian_cdf(c: mp.mpf, y: mp.mpf) -> mp.mpf:
    s, b = mp.sqrt(c / y) * (y - 1), mp.sqrt(c / y) * (y + 1)
    return mp.ncdf(s) + mp.npdf(s) * mills(b)


def owens_t(h: mp.mpf, a: mp.mpf) -> mp.mpf:
    return mp.quad(lambda s: mp.exp(-(h**2) * (1 + s**2) / 2) / (1 + s**2), [0, a]) / (2 * mp.pi)


# the derivative of a sample is differentiated twice, other functions three times
CASES: dict[str, tuple[Callable[..., mp.mpf], int, tuple[tuple[float, ...], ...]]] = {
    "skew_normal_sample_grad": (
        skew_normal,
        2,
        ((-30.0, 2.0), (-3.0, -1.0), (0.0, 0.5), (0.7, -5.0), (5.0, 0.3), (100.0, -5.0)),
    ),
    "two_piece_normal_sample_grad": (two_piece_normal, 2, ((0.05, 300.0), (0.3, -30.0), (1.0, 0.2), (2.0, -1.0), (20.0, -0.1))),
    "inverse_gaussian_sample_grad": (inverse_gaussian, 2, ((0.1, 0.3), (1.0, 3.0), (10.0, 1.1), (1e3, 0.9), (1e5, 1.01))),
    "inverse_gaussian_cdf": (inverse_gaussian_cdf, 3, ((0.1, 0.3), (1.0, 3.0), (10.0, 1.1))),
    "owens_t": (owens_t, 3, ((0.2, 0.7), (-2.0, 1.5))),
    "skew_normal_cdf": (lambda a, x: mp.ncdf(x) - 2 * owens_t(x, a), 3, ((-3.0, 0.3), (0.7, -1.0))),
    "log_ndtr": (lambda x: mp.log(mp.ncdf(x)), 3, ((-1e4,), (-40.0,), (-12.1,), (-3.0,), (0.5,))),
    "exp1e": (lambda x: mp.exp(x) * mp.e1(x), 3, ((0.01,), (1.9,), (2.1,), (1e4,))),
}


@pytest.mark.parametrize("name", CASES)
def test_against_mpmath(name: str):
    function, order, points = CASES[name]
    arguments = [torch.tensor(column, dtype=torch.float64, requires_grad=True) for column in zip(*points, strict=True)]
    for first in range(order + 1 if len(arguments) == 2 else 1):
        orders = (order - first, first)[: len(arguments)]
        value = getattr(special, name)(*arguments)
        for argument, count in zip(arguments, orders, strict=True):
            for _ in range(count):
                (value,) = torch.autograd.grad(value.sum(), argument, create_graph=True)
        with mp.workdps(50):
            expected = [float(mp.diff(function, tuple(map(mp.mpf, point)), orders)) for point in points]
        torch.testing.assert_close(value.detach(), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-200)


@pytest.mark.parametrize(
    ("name", "make", "shape"),
    [
        ("skew_normal_sample_grad", lambda shape: implicit.SkewNormal(torch.zeros_like(shape), 1.0, shape), 0.7),
        ("two_piece_normal_sample_grad", lambda shape: implicit.TwoPieceNormal(torch.zeros_like(shape), 1.0, shape), 1.6),
        ("inverse_gaussian_sample_grad", lambda shape: implicit.InverseGaussian(torch.ones_like(shape), shape), 2.5),
    ],
)
def test_of_samples_as_a_difference_of_the_second(
    name: str, make: Callable[[Tensor], implicit.distributions.base.Reparameterizable], shape: float
):
    """Along the quantiles of fixed probabilities, which are samples at fixed noise."""
    p = torch.tensor([0.05, 0.3, 0.6, 0.95], dtype=torch.float64)

    def derivatives(shape: float) -> list[Tensor]:
        parameter = torch.full((4,), shape, dtype=torch.float64, requires_grad=True)
        values = [implicit_sample(make(parameter).icdf(p), getattr(special, name), parameter)]
        for _ in range(3):
            values += torch.autograd.grad(values[-1].sum(), parameter, create_graph=True)
        return [value.detach() for value in values]

    step = 1e-4
    difference = (derivatives(shape + step)[2] - derivatives(shape - step)[2]) / (2 * step)
    torch.testing.assert_close(derivatives(shape)[3], difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["Beta", "Gamma", "StudentT", "VonMises"])
def test_others_refuse_with_their_names(name: str):
    parameter = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    arguments = {"StudentT": (parameter,), "VonMises": (torch.tensor(0.0, dtype=torch.float64), parameter)}
    value = getattr(implicit, name)(*arguments.get(name, (parameter, torch.tensor(1.5, dtype=torch.float64)))).rsample()
    for _ in range(2):
        (value,) = torch.autograd.grad(value, parameter, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"the second derivative of a .* cannot be differentiated"):
        torch.autograd.grad(value, parameter)
