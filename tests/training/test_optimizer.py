import torch

from irg_experiments.training.optimizer import adam, annealed, update


def test_a_parameter_without_a_gradient_waits_as_if_it_had_just_been_made():
    late, fresh = ([torch.ones(3, requires_grad=True), torch.ones((), requires_grad=True)] for _ in range(2))
    first = adam(late, 0.01)
    for _ in range(5):
        update(first, [torch.ones(3), None])
    assert late[1].item() == 1.0
    second = adam(fresh, 0.01)
    for optimizer in (first, second):
        update(optimizer, [torch.ones(3), torch.tensor(2.0)])
    assert torch.equal(late[1], fresh[1])
    assert not torch.equal(late[0], fresh[0])


def test_the_rate_falls_as_half_a_cosine_and_is_restored():
    parameter = torch.zeros(2, requires_grad=True)
    optimizer = adam([parameter], 0.1)
    schedule = annealed(optimizer, "cosine", 4)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        update(optimizer, [torch.ones(2)])
        schedule.step()
    torch.testing.assert_close(rates, [0.1, 0.1 * (1 + 0.5**0.5) / 2, 0.05, 0.1 * (1 - 0.5**0.5) / 2])
    other = adam([torch.zeros(2, requires_grad=True)], 0.1)
    again = annealed(other, "cosine", 4)
    other.load_state_dict(optimizer.state_dict())
    again.load_state_dict(schedule.state_dict())
    assert other.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    assert again.last_epoch == 4


def test_no_annealing_keeps_the_rate():
    optimizer = adam([torch.zeros(2, requires_grad=True)], 0.1)
    schedule = annealed(optimizer, "none", 4)
    update(optimizer, [torch.ones(2)])
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.1
