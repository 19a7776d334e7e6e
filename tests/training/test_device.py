import pytest
import torch

from irg_experiments.errors import UserError
from irg_experiments.training.device import resolve_device


def test_auto_finds_a_device():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu").type == "cpu"


def test_unknown_and_missing_devices(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match="Unknown device 'gpu'"):
        resolve_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device=cuda is not available"):
        resolve_device("cuda")
