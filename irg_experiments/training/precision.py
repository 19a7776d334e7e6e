"""The precision of matrix products of float32."""

import contextlib
from collections.abc import Iterator

import torch

from irg_experiments.config.types import Precision
from irg_experiments.errors import UserError


def check_precision(precision: Precision, device: torch.device) -> None:
    """Checks that a device has products of reduced precision if they are wanted.

    Raises:
        UserError: its products are those of the highest precision.
    """
    if precision != "highest" and not _reduces_products(precision, device):
        raise UserError(f"precision={precision} changes no product on device={device.type} here: use precision=highest.")


def _reduces_products(precision: Precision, device: torch.device) -> bool:
    """Whether a product of the size of a layer's is rounded to TF32 or bfloat16.

    What a processor reports does not tell: with bfloat16 instructions but without AMX, products remain those of float32.
    """
    # one in TF32 and in bfloat16, whose mantissas have 10 and 7 bits
    factor = torch.full((64, 784), 1 + 2**-12, device=device)
    with matmul_precision(precision):
        product = factor @ torch.ones(784, 256, device=device)
    return bool((product < 784 * (1 + 2**-13)).all())


@contextlib.contextmanager
def matmul_precision(precision: Precision) -> Iterator[None]:
    """Within the block, float32 products have this precision, see ``torch.set_float32_matmul_precision``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
