"""Which rows of the registry a test runs on."""

from typing import Any

import pytest
import torch

from tests.implicit.registry import REGISTRY

DTYPES = [torch.float32, torch.float64]
SPHERICAL = ("VonMisesFisher", "PowerSpherical")
UNIT_INTERVAL = ("Beta", "Kumaraswamy", "Dirichlet")

every = pytest.mark.parametrize("name", REGISTRY)


def those(condition: Any) -> Any:
    """The rows for which a condition holds."""
    return pytest.mark.parametrize("name", [name for name, row in REGISTRY.items() if condition(row)])
