"""The precision of matrix products of float32."""

import contextlib
from collections.abc import Iterator

import torch

from irg_experiments.config.types import Precision
from irg_experiments.errors import UserError
from irg_experiments.implicit.private_torch import mkldnn_bf16_supported


def check_precision(precision: Precision, device: torch.device) -> None:
    """Checks that a device has products of reduced precision if they are wanted.

    Raises:
        UserError: it has none.
    """
    if precision != "highest" and not _has_reduced_products(device):
        raise UserError(f"device={device.type} has no products of reduced precision here: use precision=highest.")


def _has_reduced_products(device: torch.device) -> bool:
    """Whether it has TF32 or, as a processor, bfloat16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and torch.backends.mkldnn.is_available() and bool(mkldnn_bf16_supported())


@contextlib.contextmanager
def matmul_precision(precision: Precision) -> Iterator[None]:
    """Within the block, float32 products have this precision, see ``torch.set_float32_matmul_precision``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
