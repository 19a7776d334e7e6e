"""The sweeps that several tests use."""

from typing import Any

import torch

from irg_experiments.experiments.cross_entropy.config import DirichletSettings, VonMisesSettings
from irg_experiments.experiments.cross_entropy.sweeps import Sweep, dirichlet_sweep, von_mises_sweeps

DIRICHLET = {"replicates": 2, "components": 100, "trials": 100, "prior": 1.0, "counts_seed": 0, "sweep": (1.01, 3.0)}
VON_MISES = {"replicates": 2, "loc": 0.5, "concentration": 10.0, "sweep": (0.1, 100.0)}


def dirichlet(points: int = 7, dtype: torch.dtype = torch.float64, **changes: Any) -> Sweep:
    return dirichlet_sweep(DirichletSettings(**{**DIRICHLET, **changes}), points, dtype, torch.device("cpu"))


def von_mises(points: int = 7, dtype: torch.dtype = torch.float64, **changes: Any) -> Sweep:
    (sweep,) = von_mises_sweeps(VonMisesSettings(**{**VON_MISES, **changes}), points, dtype, torch.device("cpu"))
    return sweep
