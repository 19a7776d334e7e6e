import copy

import pytest
import torch
from torch import Tensor

from irg_experiments.training.optimizer import Adam


def leaves() -> list[Tensor]:
    return [torch.ones(3, 4, requires_grad=True), torch.ones((), requires_grad=True)]


def draws(steps: int) -> list[list[Tensor]]:
    return [[torch.randn(4, 3).T, torch.randn(())] for _ in range(steps)]


def test_updates_are_those_of_torch():
    mine, theirs = leaves(), leaves()
    optimizer, reference = Adam(mine, 0.01), torch.optim.Adam(theirs, 0.01, fused=True)
    for step, gradients in enumerate(draws(10)):
        rate = 0.01 / (step + 1)
        optimizer.update(gradients, rate)
        reference.param_groups[0]["lr"] = rate
        for leaf, gradient in zip(theirs, gradients, strict=True):
            leaf.grad = gradient.contiguous()
        reference.step()
    assert all(map(torch.equal, mine, theirs))


def test_a_parameter_without_a_gradient_waits_as_if_it_had_just_been_made():
    late, fresh = leaves(), leaves()
    first, second = Adam(late, 0.01), Adam(fresh, 0.01)
    for gradient, _ in draws(5):
        first.update([gradient, None])
    first.update([None, None])
    assert late[1].item() == 1.0
    for optimizer in (first, second):
        optimizer.update([torch.ones(3, 4), torch.tensor(2.0)])
    assert torch.equal(late[1], fresh[1])
    assert not torch.equal(late[0], fresh[0])


def test_a_restored_optimizer_goes_on_bit_for_bit():
    mine, other = leaves(), leaves()
    optimizer = Adam(mine, 0.01)
    for gradients in draws(5):
        optimizer.update(gradients)
    restored = Adam(other, 0.01)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for theirs, values in zip(restored.parameters, mine, strict=True):
        theirs.copy_(values.detach())
    for gradients in draws(5):
        optimizer.update(gradients)
        restored.update(gradients)
    assert all(map(torch.equal, mine, other))


def test_a_state_of_other_parameters_is_refused():
    with pytest.raises(ValueError, match="first has shape"):
        Adam([torch.zeros(2)], 0.1).load_state_dict(Adam([torch.zeros(3)], 0.1).state_dict())
