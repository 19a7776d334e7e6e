"""The device of a run."""

from typing import Literal

import torch

from irg_experiments.errors import UserError


def resolve_device(name: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """The device of a name; "auto" is CUDA where it is available, otherwise the CPU.

    Raises:
        UserError: the device is not available on this machine.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        raise UserError(f"device={name} is not available on this machine. Use device=auto or device=cpu.")
    return torch.device(name)
