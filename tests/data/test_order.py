import pytest
import torch

from irg_experiments.data.order import EpochOrder, stream_seed


@pytest.mark.parametrize(("size", "batch_size"), [(10, 4), (10, 5), (10, 10), (3, 8), (1, 1), (7, 50)])
def test_every_item_occurs_once_per_epoch_across_batches(size: int, batch_size: int):
    order = EpochOrder(size, batch_size, seed=3)
    stream = torch.cat([order.indices(step) for step in range(size)])
    assert len(stream) == size * batch_size
    for epoch in stream.split(size):
        assert sorted(epoch.tolist()) == list(range(size))


@pytest.mark.parametrize(("size", "batch_size"), [(10, 4), (3, 8)])
def test_a_batch_depends_on_seed_and_step_alone(size: int, batch_size: int):
    order = EpochOrder(size, batch_size, seed=3)
    batches = [order.indices(step).tolist() for step in range(20)]
    assert EpochOrder(size, batch_size, seed=3).indices(13).tolist() == batches[13]
    assert [order.indices(step).tolist() for step in (19, 2, 3, 0)] == [batches[step] for step in (19, 2, 3, 0)]
    assert [EpochOrder(size, batch_size, seed=4).indices(step).tolist() for step in range(20)] != batches


def test_the_order_of_recorded_runs_is_kept():
    order = EpochOrder(10, 4, seed=3)
    permutations = [
        torch.randperm(10, generator=torch.Generator().manual_seed(3 * 1_000_003 + epoch)).tolist() for epoch in range(2)
    ]
    assert order.indices(2).tolist() == permutations[0][8:] + permutations[1][:2]
    assert stream_seed(3, 1) == 3_000_010


def test_a_window_covers_an_epoch():
    order = EpochOrder(10, 2, seed=0)
    windows = [order.locate(step) for step in range(10)]
    assert [start for _, start in windows] == [0, 2, 4, 6, 8] * 2
    assert all(window is windows[0][0] for window, _ in windows[:5])
    assert all(window is windows[5][0] for window, _ in windows[5:])
    assert windows[0][0] is not windows[5][0]


def test_indices_are_on_the_device():
    assert EpochOrder(10, 4, seed=0, device=torch.device("meta")).indices(1).device.type == "meta"


@pytest.mark.cuda
def test_indices_do_not_depend_on_the_device():
    order = EpochOrder(10, 4, seed=0, device="cuda")
    assert [order.indices(step).tolist() for step in range(6)] == [
        EpochOrder(10, 4, 0).indices(step).tolist() for step in range(6)
    ]
