import pytest
import torch

from irg_experiments.errors import UserError
from irg_experiments.training import distributed
from irg_experiments.training.device import resolve_device


def test_auto_finds_a_device():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu").type == "cpu"


def test_a_missing_device_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device=cuda is not available"):
        resolve_device("cuda")


def test_each_of_several_processes_needs_a_cuda_device(monkeypatch: pytest.MonkeyPatch):
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(distributed, "size", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(distributed, "local_rank", lambda rank=rank: rank)
        if rank < 2:
            resolve_device("auto")
        else:
            with pytest.raises(UserError, match="There are 2 CUDA devices for more processes"):
                resolve_device("auto")
    assert chosen == [0, 1]
