import gc

import pytest
import torch

from irg_experiments.training.process import denormals_flushed, fast_steps, heap_frozen


def test_denormals_are_zero_while_training_and_come_back():
    denormal = torch.full((8,), 1e-40)
    with denormals_flushed():
        with denormals_flushed():
            pass
        if (denormal * 1).any():
            pytest.skip("this processor cannot flush denormals")
    assert (denormal * 1).all()


def test_the_heap_is_frozen_while_training_unless_the_caller_froze_it():
    frozen = gc.get_freeze_count()
    assert frozen > 0  # by conftest.py
    with heap_frozen():
        assert gc.get_freeze_count() == frozen
    assert gc.get_freeze_count() == frozen
    gc.unfreeze()
    try:
        with heap_frozen():
            assert gc.get_freeze_count() > 0
        assert gc.get_freeze_count() == 0
    finally:
        gc.freeze()


def test_all_of_it_goes_together_and_twice():
    denormal, frozen = torch.full((8,), 1e-40), gc.get_freeze_count()
    with denormals_flushed():
        flushed = not (denormal * 1).any()  # not every processor can
    gc.unfreeze()
    try:
        for _ in range(2):
            with fast_steps():
                assert gc.get_freeze_count() > 0
                assert (denormal * 1).any() != flushed
            assert gc.get_freeze_count() == 0
            assert (denormal * 1).all()
    finally:
        if frozen:
            gc.freeze()
