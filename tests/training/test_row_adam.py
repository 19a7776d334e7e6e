import copy

import pytest
import torch
from torch import Tensor

from irg_experiments.training.row_adam import CORRECTED_STEPS, DENSE_STEPS, RowAdam

# from gradients that dwarf Adam's ε to those that it dwarfs
SCALES = torch.logspace(-11, 0, 12)


def draws(steps: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """Rows and their gradients for a number of steps; the first rows come in nearly every step, the last seldom."""
    often = 1 / torch.arange(1, 61.0)
    rows = [torch.multinomial(often, 8).sort().values for _ in range(steps)]
    return [(index, (torch.randn(8, len(SCALES)) * SCALES).to(dtype)) for index in rows]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
def test_equals_dense_adam_over_two_thousand_steps(dtype: torch.dtype, tolerance: float):
    start = torch.randn(60, len(SCALES), dtype=dtype)
    dense, table = start.clone().requires_grad_(), RowAdam(start.clone(), 3e-4)
    optimizer = torch.optim.Adam([dense], lr=3e-4)
    worst = 0.0
    for index, gradient in draws(DENSE_STEPS + 1000, dtype):
        rows = table.rows(index)
        worst = max(worst, (rows.values - dense.detach()[index]).abs().max().item())
        dense.grad = torch.zeros_like(dense).index_copy_(0, index, gradient)
        optimizer.step()
        table.update(rows, gradient)
    assert worst < tolerance
    assert (table.table - dense).abs().max().item() > 100 * tolerance  # some rows wait
    with table.current():
        assert (table.table - dense).abs().max().item() < tolerance


def test_equals_dense_adam_where_the_corrections_of_its_moments_end():
    """Above ``CORRECTED_STEPS`` they differ from one by less than any float tells, and have no table."""
    begin = CORRECTED_STEPS - 30
    start, first = torch.randn(60, len(SCALES), dtype=torch.float64), torch.randn(60, len(SCALES), dtype=torch.float64)
    state = {"table": start, "first": SCALES * first, "second": (SCALES * first) ** 2}
    table = RowAdam(torch.zeros_like(start), 3e-4)
    table.load_state_dict({**state, "updated": torch.full((60,), begin), "step": begin})
    dense = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([dense], lr=3e-4)
    moments = {"exp_avg": state["first"].clone(), "exp_avg_sq": state["second"].clone()}
    optimizer.state[dense] = {"step": torch.tensor(float(begin)), **moments}
    for index, gradient in draws(60, torch.float64):
        rows = table.rows(index)
        torch.testing.assert_close(rows.values, dense.detach()[index], rtol=0, atol=1e-7)
        dense.grad = torch.zeros_like(dense).index_copy_(0, index, gradient)
        optimizer.step()
        table.update(rows, gradient)
    assert (table.updated < CORRECTED_STEPS).any()  # some rows wait on either side
    with table.current():
        torch.testing.assert_close(table.table, dense.detach(), rtol=0, atol=1e-7)


@pytest.mark.compiler
def test_compiled_and_eager_agree():
    tables = [RowAdam(torch.ones(60, len(SCALES)), 3e-4, compiled) for compiled in (False, True)]
    for index, gradient in draws(20, torch.float32):
        for table in tables:
            table.update(table.rows(index), gradient)
    torch.testing.assert_close(tables[1].table, tables[0].table)


def test_reading_changes_nothing_and_a_restored_table_goes_on_bit_for_bit(monkeypatch):
    monkeypatch.setattr("irg_experiments.training.row_adam.DENSE_STEPS", 5)
    table = RowAdam(torch.randn(60, len(SCALES)), 3e-4)
    steps = draws(40, torch.float32)
    for index, gradient in steps[:20]:
        table.update(table.rows(index), gradient)
    saved = copy.deepcopy(table.state_dict())
    with table.current():
        pass
    other = RowAdam(torch.zeros(60, len(SCALES)), 3e-4)
    other.load_state_dict(saved)
    for index, gradient in steps[20:]:
        table.update(table.rows(index), gradient)
        other.update(other.rows(index), gradient)
    for name, value in table.state_dict().items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(other.state_dict()[name])), name


def test_a_state_of_another_shape_is_refused():
    state = RowAdam(torch.zeros(5, 3), 0.1).state_dict()
    with pytest.raises(ValueError, match="table has shape"):
        RowAdam(torch.zeros(6, 3), 0.1).load_state_dict(state)


def test_within_current_rows_and_state_are_those_of_between_steps():
    table = RowAdam(torch.zeros(60, len(SCALES)), 0.1)
    for index, gradient in draws(DENSE_STEPS + 50, torch.float32):
        table.update(table.rows(index), gradient)
    everything = torch.arange(60)
    rows, state = table.rows(everything).values, copy.deepcopy(table.state_dict())
    assert not torch.equal(state["table"], rows)
    with table.current(), table.current():
        assert torch.equal(table.table, rows)
        assert torch.equal(table.rows(everything).values, rows)
        assert torch.equal(table.state_dict()["table"], state["table"])
    assert torch.equal(table.table, state["table"])
