"""Fixtures that all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import DictConfig

from irg_experiments import implicit
from irg_experiments.config import config_directory
from irg_experiments.implicit.compilation import can_compile

SKIPS = {
    "compiler": (can_compile(torch.device("cpu")), "no C++ compiler on this machine"),
    "cuda": (torch.cuda.is_available(), "no CUDA device on this machine"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (available, reason) in SKIPS.items():
            if marker in item.keywords and not available:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    torch.manual_seed(0)
    torch.distributions.Distribution.set_default_validate_args(True)  # torch.compile turns it off for the process
    implicit.set_compile("off")  # what a test computes does not depend on how much the tests before it did


@pytest.fixture
def compose() -> Callable[..., DictConfig]:
    """Composes a config as the command line does."""

    def compose(*overrides: str) -> DictConfig:
        with hydra.initialize_config_dir(str(config_directory()), version_base="1.3"):
            return hydra.compose("config", list(overrides))

    return compose


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets, which IRG_DATA names; without it the test is skipped."""
    root = os.environ.get("IRG_DATA")
    if root is None or not Path(root).is_dir():
        pytest.skip("IRG_DATA names no folder with the real data sets")
    return Path(root)
