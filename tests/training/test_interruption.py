import pickle
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from irg_experiments.errors import Interrupted, LeaseLostError, UserError
from irg_experiments.training import interruption
from irg_experiments.training.checkpoint import save_checkpoint
from irg_experiments.training.loop import train
from irg_experiments.training.metrics_log import read_metrics
from tests.training.test_loop import CPU, SCHEDULE, NoisyRegression, run

BY_EXIT_CODE = {130: "SIGINT", 143: "SIGTERM", 129: "SIGHUP"}


class Interrupting(NoisyRegression):
    """Calls a function within some steps, and within evaluations if told to."""

    def __init__(self, at: dict[int, Callable[[], None]], evaluating: bool = False) -> None:
        super().__init__()
        self.at, self.evaluating = at, evaluating

    def training_step(self, step: int) -> torch.Tensor:
        loss = super().training_step(step)
        if not self.evaluating:
            self.at.get(step, lambda: None)()
        return loss

    def evaluate(self, step: int) -> dict[str, float]:
        found = super().evaluate(step)
        if self.evaluating:
            self.at.get(step, lambda: None)()
        return found


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def step_saved(directory: Path) -> int:
    return torch.load(directory / "checkpoint.pt", weights_only=True)["step"]


@pytest.mark.parametrize("code", BY_EXIT_CODE)
def test_a_signal_is_raised_with_its_exit_code_and_handlers_are_set_within_the_block_alone(code: int):
    number = getattr(signal, BY_EXIT_CODE[code])
    usual = signal.getsignal(number)
    with pytest.raises(Interrupted, match=BY_EXIT_CODE[code]) as told, interruption.raised():
        signal.raise_signal(number)
    assert told.value.exit_code == pickle.loads(pickle.dumps(told.value)).exit_code == code
    assert signal.getsignal(number) is usual
    with interruption.raised():  # nothing is left of it
        interruption.raise_received()


def test_an_ignored_signal_stays_ignored():
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruption.raised():
            signal.raise_signal(signal.SIGHUP)
            assert not interruption.requested()
    finally:
        signal.signal(signal.SIGHUP, usual)


def test_of_several_processes_the_first_ends_the_run(monkeypatch: pytest.MonkeyPatch):
    """torchrun hands a signal to all of them; one that does not notice the end obeys the second signal."""
    monkeypatch.setattr("irg_experiments.training.distributed.is_first", lambda: False)
    with interruption.raised():
        terminate()
        assert not interruption.requested()
        with pytest.raises(Interrupted):
            terminate()


def test_other_threads_set_no_handlers():
    found = []

    def work() -> None:
        with interruption.raised():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


# steps before, after and at which rows, evaluations and checkpoints are due; at step 20 within the evaluation
@pytest.mark.parametrize(("step", "evaluating"), [(1, False), (8, False), (38, False), (39, False), (58, False), (20, True)])
def test_an_interrupted_run_saves_its_last_step_and_ends_as_an_uninterrupted_one(tmp_path: Path, step: int, evaluating: bool):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = run(NoisyRegression(), whole)
    with pytest.raises(Interrupted), interruption.raised():
        run(Interrupting({step: terminate}, evaluating), broken)
    assert step_saved(broken) == (step if evaluating else step + 1)
    torch.randn(100)  # another process has another random state
    assert run(NoisyRegression(), broken).metrics == expected.metrics
    assert read_metrics(broken / "metrics.jsonl") == read_metrics(whole / "metrics.jsonl")


def test_a_signal_within_the_first_step_ends_it_at_once(tmp_path: Path):
    with pytest.raises(Interrupted), interruption.raised():
        run(Interrupting({0: terminate}), tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_second_signal_ends_the_run_at_once(tmp_path: Path):
    def twice() -> None:
        terminate()
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="SIGTERM"), interruption.raised():
        run(Interrupting({25: twice}), tmp_path)
    assert step_saved(tmp_path) == 20


def test_a_checkpoint_is_finished_however_many_signals_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_checkpoint(tmp_path, {"step": 1})

    def interrupted_replace(self: Path, target: Path, replace: Callable[[Path, Path], Path] = Path.replace) -> Path:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted_replace)
    with pytest.raises(Interrupted), interruption.raised():
        save_checkpoint(tmp_path, {"step": 2})
    assert step_saved(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]


def test_an_interrupted_run_whose_loss_is_infinite_keeps_the_last_good_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    task = Interrupting({25: terminate})
    task.nan_at = 24
    with pytest.raises(Interrupted), interruption.raised():
        run(task, tmp_path)
    assert step_saved(tmp_path) == 20
    assert "The loss became" in caplog.text


def test_an_error_does_not_swallow_a_signal(caplog: pytest.LogCaptureFixture):
    def fail() -> None:
        terminate()
        raise UserError("The disk is full.")

    with pytest.raises(Interrupted), interruption.raised(), interruption.postponed():
        fail()
    assert "The disk is full." in caplog.messages


def test_a_stopped_run_writes_nothing_more(tmp_path: Path):
    def stop() -> None:
        interruption.stop(LeaseLostError("gone"))

    with pytest.raises(LeaseLostError, match="gone"), interruption.raised():
        train(Interrupting({22: stop}), SCHEDULE, seed=3, directory=tmp_path, device=CPU)
    assert step_saved(tmp_path) == 20
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["step"] == 21


def test_a_signal_while_an_object_is_removed_waits(monkeypatch: pytest.MonkeyPatch):
    class Removed:
        def __del__(self) -> None:
            terminate()

    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with interruption.raised():
        removed = Removed()
        del removed  # Python hands what is raised here to the hook, and goes on
        assert interruption.requested()
    assert not printed
