from typing import Literal

import pytest
import torch

from irg_experiments.errors import UserError
from irg_experiments.training.precision import check_precision, matmul_precision

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["high", "medium"])
def test_what_changes_no_product_is_refused(precision: Literal["high", "medium"], device: str):
    """By the error of other products: float32's is about 1e-6 of the largest, TF32's and bfloat16's from 1e-4 on."""
    a, b = torch.randn(64, 256, device=device), torch.randn(256, 128, device=device)
    with matmul_precision(precision):
        product = a @ b
    exact = a.double() @ b.double()
    error = ((product - exact).abs().max() / exact.abs().max()).item()
    if error > 3e-5:
        check_precision(precision, torch.device(device))
    else:
        with pytest.raises(UserError, match=f"precision={precision} changes no product on device={device} here"):
            check_precision(precision, torch.device(device))


@pytest.mark.parametrize("device", DEVICES)
def test_the_highest_precision_is_for_every_device(device: str):
    check_precision("highest", torch.device(device))
    assert torch.get_float32_matmul_precision() == "highest"
