import copy

import pytest
import torch

from irg_experiments.estimators import Implicit
from irg_experiments.experiments.lda.updates import Updates
from irg_experiments.models.lda import LDA
from tests.benchmarks.lda_step import zipf_corpus

CORPUS = zipf_corpus(300, 20, 256)
PRIOR_FIXED_STEPS = 10


def made(by_rows: bool, compiled: bool = False) -> Updates:
    torch.manual_seed(0)
    model = LDA(300, 6, hidden=[16, 16])
    return Updates(model, Implicit(), 1, 3e-3, by_rows, compiled, torch.device("cpu"))


def losses(updates: Updates, steps: range) -> list[float]:
    found = []
    for step in steps:
        torch.manual_seed(step)
        start = step % 32 * 8
        found.append(updates.step(CORPUS.slice(start, start + 8), step < PRIOR_FIXED_STEPS).item())
    return found


@pytest.fixture
def few_dense_steps(monkeypatch):
    monkeypatch.setattr("irg_experiments.training.row_adam.DENSE_STEPS", 8)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.compiler)])
def test_updates_by_rows_are_those_of_dense_adam(few_dense_steps, compiled: bool):
    dense, by_rows = made(False), made(True, compiled)
    torch.testing.assert_close(losses(dense, range(60)), losses(by_rows, range(60)), rtol=1e-4, atol=0)
    for name, value in by_rows.state_dict()["model"].items():
        torch.testing.assert_close(value, dense.state_dict()["model"][name], rtol=0, atol=1e-4, msg=name)


def test_a_restored_state_goes_on_bit_for_bit(few_dense_steps):
    updates, other = made(True), made(True)
    losses(updates, range(30))
    other.load_state_dict(copy.deepcopy(updates.state_dict()))
    with updates.current():  # as an evaluation
        pass
    assert losses(updates, range(30, 60)) == losses(other, range(30, 60))
