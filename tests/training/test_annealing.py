import pytest
import torch

from irg_experiments.training.annealing import annealing_factor


def test_cosine_equals_torch():
    steps, parameter = 50, torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        assert annealing_factor("cosine", step / steps) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_none_is_constant():
    assert {annealing_factor("none", progress) for progress in (0.0, 0.5, 1.0)} == {1.0}
