"""How tests judge random draws. Every statistical comparison of the suite goes through this module.

A comparison passes below |z| = 5, or above the p-value of that z-score: one false alarm in 1.7 million comparisons.

Rounding: the standard error of a mean is sqrt(variance / n), estimated from the samples. An estimate may be exact, such as
a gradient that is one in every draw. Its samples then differ by rounding alone, which does not average out and is not the
same on every processor, so that dividing by its spread decides nothing. The standard error therefore has a floor of
``LOST`` · eps · size. Here eps is that of the dtype in which the samples were computed, and size is the root mean square of the
samples or |expected|, whichever is larger, over all components of the tensor, because a component that cancels to zero is
rounded like its neighbours. Where the spread is of the samples' own size, the floor raises the standard error of 20,000
draws by 0.4% in float32 and by 1e-11 in float64.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import scipy.stats
import torch
from torch import Tensor

SEED = int(os.environ.get("IRG_TEST_SEED", "0"))
DRAWS = 20_000
THRESHOLD = 5.0
P_VALUE = 2 * float(scipy.stats.norm.sf(THRESHOLD))
LOST = 256  # a sample may have lost its last eight bits


def seed(stream: int = 0) -> None:
    """Seed torch's global generator with one of the streams of ``IRG_TEST_SEED`` (an environment variable, default 0)."""
    torch.manual_seed(1000 * SEED + stream)  # of its 64 bits the generator of the CPU reads the lower 32


@dataclass
class Tally:
    """The comparisons of this process, for the last line of a test run."""

    count: int = 0
    largest: float = 0.0

    def add(self, z: Tensor) -> None:
        self.count += z.numel()
        self.largest = max(self.largest, z.max().item())


TALLY = Tally()


def standard_error(samples: Tensor, expected: Tensor) -> Tensor:
    """The standard error of the mean over the first dimension, with its floor."""
    eps = max(torch.finfo(x.dtype).eps for x in (samples, expected))
    samples = samples.double()
    size = max(samples.square().mean(0).sqrt().max().item(), expected.abs().max().item())
    error = samples.std(0) / len(samples) ** 0.5 + LOST * eps * size
    assert error.isfinite().all(), "the variance of the samples is not finite"
    return error


def z_scores(samples: Tensor, expected: Tensor | float, bias: float = 0.0) -> Tensor:
    """Absolute errors of the mean over the first dimension, in standard errors.

    Args:
        samples: independent along the first dimension, in the dtype in which they were computed: it sets the floor.
        expected: broadcasts against ``samples[0]``.
        bias: relative error of the mean that is allowed for.

    Returns:
        Of the shape of ``samples[0]``, in float64.
    """
    samples = samples.detach()
    expected = expected.detach() if isinstance(expected, Tensor) else torch.tensor(expected, dtype=torch.float64)
    excess = (samples.double().mean(0) - expected).abs() - bias * expected.abs()
    return excess.clamp(min=0) / standard_error(samples, expected)


def assert_below_threshold(z: Tensor, label: str) -> None:
    TALLY.add(z)
    assert (z < THRESHOLD).all(), f"{label}: |z| up to {z.max():.1f}, {(~(z < THRESHOLD)).sum()} of {z.numel()} too large"


def assert_mean(samples: Tensor, expected: Tensor | float, bias: float = 0.0, label: str = "mean") -> None:
    """Every component of the samples has the expected mean; see ``z_scores``."""
    assert_below_threshold(z_scores(samples, expected, bias), label)


def assert_same_mean(first: Tensor, second: Tensor, label: str = "mean") -> None:
    """Two independent sets of samples have the same mean, component by component."""
    first, second = first.detach(), second.detach()
    means = first.double().mean(0), second.double().mean(0)
    error = torch.hypot(standard_error(first, means[1].to(second.dtype)), standard_error(second, means[0].to(first.dtype)))
    assert_below_threshold((means[0] - means[1]).abs() / error, label)


def _assert_likely(p_value: float) -> None:
    TALLY.add(torch.tensor(scipy.stats.norm.isf(p_value / 2)))
    assert p_value > P_VALUE, f"p-value {p_value:.1e}"


def assert_law(samples: Any, cdf: Callable[..., Any]) -> None:
    """The samples follow the distribution function, by the test of Kolmogorov & Smirnov."""
    _assert_likely(scipy.stats.kstest(torch.as_tensor(samples).detach().double().numpy(), cdf).pvalue)


def assert_distance(distance: Tensor, number: int) -> None:
    """The largest distance between empirical and exact distribution function is likely for a number of draws."""
    _assert_likely(float(scipy.stats.kstwo(number).sf(distance.item())))


def assert_same_law(first: Tensor, second: Tensor) -> None:
    """Two independent sets of samples follow one law, by the test of Kolmogorov & Smirnov."""
    _assert_likely(scipy.stats.ks_2samp(first.detach().numpy(), second.detach().numpy()).pvalue)
