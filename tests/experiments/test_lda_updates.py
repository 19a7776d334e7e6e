import copy

import pytest
import torch

from irg_experiments.data import Corpus
from irg_experiments.estimators import Implicit
from irg_experiments.experiments.lda.updates import Updates, reads_few_rows
from irg_experiments.models.lda import LDA
from tests.benchmarks.lda_step import zipf_corpus
from tests.statistics import seed

NUM_WORDS = 300
PRIOR_FIXED_STEPS = 10


def corpus_with_a_long_document() -> Corpus:
    """Documents of 20 words, and one, in the third batch, that has all words."""
    with torch.random.fork_rng(devices=[]):  # at import
        seed()
        short = zipf_corpus(NUM_WORDS, 20, 256)
    words = torch.cat([short.words[: 20 * 20], torch.arange(NUM_WORDS), short.words[21 * 20 :]])
    lengths = short.offsets.diff()
    lengths[20] = NUM_WORDS
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    return Corpus(words, torch.ones(len(words)), offsets, short.vocabulary)


CORPUS = corpus_with_a_long_document()


def made(by_rows: bool, compiled: bool = False) -> Updates:
    torch.manual_seed(0)
    model = LDA(NUM_WORDS, 6, hidden=[16, 16])
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


def test_which_batches_are_read_by_rows():
    assert reads_few_rows(CORPUS, 4)
    assert not reads_few_rows(CORPUS, 8)
    assert len(CORPUS.slice(16, 24).present) == NUM_WORDS


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.compiler)])
def test_updates_by_rows_are_those_of_dense_adam(few_dense_steps, traced_only, compiled: bool):
    dense, by_rows = made(False), made(True, compiled)
    torch.testing.assert_close(losses(dense, range(60)), losses(by_rows, range(60)), rtol=1e-4, atol=0)
    for name, value in by_rows.state_dict()["model"].items():
        torch.testing.assert_close(value, dense.state_dict()["model"][name], rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize("by_rows", [False, True])
def test_a_run_keeps_the_way_of_updating_that_it_began_with(few_dense_steps, by_rows: bool):
    updates, other = made(by_rows), made(not by_rows)
    losses(updates, range(12))
    other.load_state_dict(copy.deepcopy(updates.state_dict()))
    assert bool(other.tables) == by_rows
    assert losses(updates, range(12, 20)) == losses(other, range(12, 20))


def test_a_restored_state_goes_on_bit_for_bit(few_dense_steps):
    updates, other = made(True), made(True)
    losses(updates, range(30))
    other.load_state_dict(copy.deepcopy(updates.state_dict()))
    with updates.current():  # as an evaluation
        pass
    assert losses(updates, range(30, 60)) == losses(other, range(30, 60))
