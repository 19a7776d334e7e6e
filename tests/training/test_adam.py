import pytest
import torch

from irg_experiments.training.adam import Adam


def gradients(parameters: list[torch.Tensor], step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(parameter.shape, generator=generator) for parameter in parameters]


def make_parameters() -> list[torch.Tensor]:
    return [torch.full(shape, 0.5, requires_grad=True) for shape in ((3, 4), (2,), ())]


def test_it_makes_the_numbers_of_torch():
    ours, theirs = make_parameters(), make_parameters()
    adam, reference = Adam(ours, 0.01), torch.optim.Adam(theirs, lr=0.01, fused=True)
    for step in range(20):
        adam.step(gradients(ours, step))
        for parameter, gradient in zip(theirs, gradients(theirs, step), strict=True):
            parameter.grad = gradient
        reference.step()
    for own, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=0)


def test_a_parameter_without_a_gradient_starts_when_it_gets_one():
    late, fresh = make_parameters(), make_parameters()
    adam, reference = Adam(late, 0.01), Adam(fresh, 0.01)
    for step in range(5):
        adam.step([*gradients(late, step)[:2], None])
    assert late[2].item() == 0.5
    adam.step([torch.zeros(3, 4), torch.zeros(2), torch.tensor(2.0)])
    reference.step([torch.zeros(3, 4), torch.zeros(2), torch.tensor(2.0)])
    assert late[2].item() == fresh[2].item() < 0.5


def test_its_state_goes_on_where_it_was():
    whole, halves = make_parameters(), make_parameters()
    first = Adam(halves, 0.01)
    uninterrupted = Adam(whole, 0.01)
    for step in range(6):
        uninterrupted.step(gradients(whole, step))
    for step in range(3):
        first.step(gradients(halves, step))
    second = Adam(halves, 0.01)
    second.load_state_dict(first.state_dict())
    for step in range(3, 6):
        second.step(gradients(halves, step))
    for expected, own in zip(whole, halves, strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=0)
    with pytest.raises(ValueError, match="longer"):
        Adam(halves[:2], 0.01).load_state_dict(first.state_dict())
