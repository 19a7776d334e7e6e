import pytest
import torch

from irg_experiments.errors import UserError
from irg_experiments.training.device import resolve_device


def test_auto_finds_a_device():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu").type == "cpu"


def test_a_missing_device_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device=cuda is not available"):
        resolve_device("cuda")
