"""The device a run computes on."""

import torch

from irg_experiments.errors import UserError


def resolve_device(name: str) -> torch.device:
    """The device of a name: cpu, cuda or mps; auto is CUDA when there is one, else the CPU.

    Raises:
        UserError: unknown, or not on this machine.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if name not in available:
        raise UserError(f"Unknown device '{name}'. Choose device=auto, cpu, cuda or mps.")
    if not available[name]:
        raise UserError(f"device={name} is not available on this machine. Use device=auto, or device=cpu.")
    return torch.device(name)
