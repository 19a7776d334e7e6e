"""The device of a run."""

from typing import Literal

import torch

from irg_experiments.errors import UserError
from irg_experiments.training import distributed


def resolve_device(name: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """The device of a name; "auto" is CUDA where it is available, otherwise the CPU.

    Of several processes, each has a CUDA device of its own.

    Raises:
        UserError: the device is not available on this machine, or not for so many processes.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        raise UserError(f"device={name} is not available on this machine. Use device=auto or device=cpu.")
    if name == "mps":
        distributed.require_one_process("device=mps")
    if name == "cuda" and distributed.size() > 1:
        if distributed.local_rank() >= (count := torch.cuda.device_count()):
            raise UserError(f"There are {count} CUDA devices for more processes: use --nproc-per-node={count} or device=cpu.")
        torch.cuda.set_device(distributed.local_rank())
    return torch.device(name)
