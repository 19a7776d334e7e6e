"""Which rows of the registry a test runs on, and how it judges draws: below |z| = 5, one false alarm in two million."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.implicit.registry import REGISTRY

DRAWS = 20_000
DTYPES = [torch.float32, torch.float64]
UNIT_INTERVAL = ("Beta", "Kumaraswamy", "Dirichlet")

every = pytest.mark.parametrize("name", REGISTRY)


def those(condition: Any) -> Any:
    """The rows for which a condition holds."""
    return pytest.mark.parametrize("name", [name for name, row in REGISTRY.items() if condition(row)])


def assert_mean(samples: Tensor, expected: Tensor | float) -> None:
    samples = samples.double()
    error = (samples.mean(0) - expected) / (samples.std(0) / len(samples) ** 0.5)
    assert error.abs().max() < 5, f"z-score {error.abs().max():.1f}"
