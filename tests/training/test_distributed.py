"""Training by two processes. They split the batches of one, and leave the files of one."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments import cli
from irg_experiments.data import DocumentStream
from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator
from irg_experiments.experiments import runner
from irg_experiments.experiments.lda import tasks
from irg_experiments.experiments.lda.gradient import GradientTask
from irg_experiments.experiments.lda.updates import Updates
from irg_experiments.models.lda import LDA
from irg_experiments.results.record import read_record
from irg_experiments.training import distributed
from irg_experiments.training.metrics_log import read_metrics
from tests.benchmarks.lda_step import zipf_corpus
from tests.statistics import assert_mean
from tests.training.processes import in_processes

CPU = torch.device("cpu")
BATCH, STEPS = 9, 12
LINE = (
    *("experiment=lda", "budget=smoke", "threads=1", "+data.num_test=10"),
    *("training.steps=30", "training.log_every=1", "training.checkpoint_every=10"),
)


class Mean(Estimator):
    """f at the mean of q: no draws."""

    label = "mean"

    def expectation(self, f: Callable[[Tensor], Tensor], q: Distribution, num_samples: int = 1) -> Tensor:
        return f(q.mean[None]).mean(0)


def trained(by_rows: bool) -> dict[str, Any]:
    """The gradients of the first batch, the losses of some steps and the parameters after them."""
    torch.manual_seed(0)
    corpus = zipf_corpus(200, 12, 64)
    part = distributed.part(BATCH)
    stream = DocumentStream(corpus, BATCH, 0, part)
    updates = Updates(LDA(200, 6, hidden=[16, 16]), Mean(), 1, 3e-3, by_rows, False, CPU, len(part) / BATCH)
    batch = stream.batch(0)
    rows = [table.rows(batch.present).values.requires_grad_() for table in updates.tables.values()]
    loss, gradients = updates.loss_and_grad(batch, *rows)
    summed = distributed.weighted_sum((*gradients, loss), updates.share)
    losses = [updates.step(stream.batch(step)).item() for step in range(STEPS)]
    size = sum(tensor.nbytes for tensor in summed)
    return {
        "gradients": summed,
        "losses": losses,
        "model": updates.state_dict()["model"],
        "bytes": (updates.exchanged_bytes(batch), size),
    }


@pytest.fixture
def run_alone(compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """``LINE`` in this process, with its runs in a folder; no figures are drawn."""
    monkeypatch.setattr(runner, "draw", lambda *_: [])
    return lambda folder: runner.run_experiment(compose(*LINE, f"output={folder}"), [])


def losses(directory: Path) -> Tensor:
    rows = read_metrics(directory / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 31))
    return torch.tensor([row["train_loss"] for row in rows])


def train_and_run(folder: Path) -> None:
    with distributed.joined():
        found = {by_rows: trained(by_rows) for by_rows in (False, True)}
        torch.save(found, folder / f"{distributed.rank()}.pt")
        runner.draw = lambda *_: []
        sys.argv = ["irg-run", *LINE, f"output={folder}"]
        cli.run()


def test_two_processes_do_what_one_does(run_alone: Callable[[Path], Path], tmp_path: Path):
    one, other = in_processes(2, tmp_path, train_and_run, tmp_path)
    assert (one.code, other.code) == (0, 0), one.stderr + other.stderr

    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for by_rows in (False, True):
        alone, split = trained(by_rows), first[by_rows]
        torch.testing.assert_close(split["gradients"], alone["gradients"], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(split["losses"], alone["losses"], rtol=1e-5, atol=0)
        torch.testing.assert_close(split["model"], second[by_rows]["model"], rtol=0, atol=0)
        assert split["losses"] == second[by_rows]["losses"]
        assert split["bytes"][0] == split["bytes"][1]
    assert first[True]["bytes"] < first[False]["bytes"]

    assert (other.stdout, other.stderr) == ("", "")
    assert "2 processes; each sends" in one.stderr
    (directory,) = (tmp_path / "lda").iterdir()
    record = read_record(directory)
    assert record is not None
    assert (record["status"], record["machine"]["processes"]) == ("done", 2)
    names = [path.name for path in (directory / "tensorboard").iterdir()]
    assert len([name for name in names if not name.endswith(".hparams")]) == 1
    alone = run_alone(tmp_path / "alone")
    assert alone.name == directory.name
    assert_mean(losses(directory) - losses(alone), 0.0)


class KilledTask(GradientTask):
    """The second process is killed in the 16th step."""

    def training_step(self, step: int) -> Tensor:
        if step == 15 and distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().training_step(step)


def run_until_killed(config: DictConfig) -> None:
    tasks.TASKS = (KilledTask,)
    with distributed.joined():
        runner.run_experiment(config, [])


def test_a_run_whose_second_process_was_killed_goes_on_in_one(
    compose: Callable[..., DictConfig],
    run_alone: Callable[[Path], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    one, other = in_processes(2, tmp_path, run_until_killed, compose(*LINE, f"output={tmp_path}"))
    assert (one.code, other.code) == (1, -signal.SIGKILL)
    assert "RunFailedError: RuntimeError: Another process of the run ended. The traceback is in " in one.stderr
    with caplog.at_level("INFO"):
        directory = run_alone(tmp_path)
    assert "Resuming at step 10 of 30." in caplog.messages
    record = read_record(directory)
    assert record is not None
    assert record["status"] == "done"
    assert "processes" not in record["machine"]
    assert losses(directory).isfinite().all()


def fail_in_the_second() -> None:
    distributed.PATIENCE = 0.1, 60.0
    with distributed.joined():
        try:
            if distributed.rank() == 1:
                raise ValueError("a fault")
            distributed.weighted_sum([torch.ones(3)], 1.0)
        except Exception as error:
            if distributed.told_by_first(error):
                sys.exit(3)
            print(error, *error.__notes__, file=sys.stderr)
            distributed.tell_others()
            sys.exit(4)


def test_an_error_of_the_second_process_is_told_by_the_first(tmp_path: Path):
    one, other = in_processes(2, tmp_path, fail_in_the_second)
    assert (one.code, other.code, other.stderr) == (4, 3, "")
    line, *trace = one.stderr.splitlines()
    assert line.startswith("Process 1: ValueError: a fault Traceback")
    assert any("in fail_in_the_second" in frame for frame in trace)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model=lda_svi", "method=svi"), "model=lda_svi runs in one process: start it by irg-run, without torchrun."),
        (
            ("method=rsvi", "method.baseline=moving_average"),
            "method=rsvi with a moving average runs in one process: start it by irg-run, without torchrun.",
        ),
        (("training.batch_size=1",), "training.batch_size must be at least 2, one per process, not 1."),
        (("experiment=cross_entropy",), "experiment=cross_entropy runs in one process: start it by irg-run, without torchrun."),
        (("-m", "seed=0,1"), "-m runs in one process: start it by irg-run, without torchrun."),
    ],
)
def test_what_cannot_be_split_is_refused_in_one_line(
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(distributed, "size", lambda: 2)
    monkeypatch.setattr(sys, "argv", ["irg-run", "budget=smoke", f"output={tmp_path / 'runs'}", *arguments])
    with pytest.raises(SystemExit) as exit_:
        cli.run()
    assert (exit_.value.code, capfd.readouterr().err) == (2, f"error: {message}\n")
    assert not (tmp_path / "runs").exists()


def test_a_part_of_the_variables_means_a_single_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "1")
    with distributed.joined():
        assert (distributed.size(), distributed.rank(), distributed.part(7)) == (1, 0, range(7))


def test_variables_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch):
    for name in distributed.VARIABLES:
        monkeypatch.setenv(name, "two")
    with pytest.raises(UserError, match="must be numbers"), distributed.joined():
        pass


def test_each_process_and_step_has_draws_of_its_own(monkeypatch: pytest.MonkeyPatch):
    def draws(rank: int, step: int) -> list[float]:
        monkeypatch.setattr(distributed, "rank", lambda: rank)
        distributed.seed_draws(0, step)
        return torch.rand(3).tolist()

    assert draws(1, 0) == draws(1, 0)
    assert len({tuple(draws(rank, step)) for rank in (1, 2) for step in (0, 1)}) == 4
    assert draws(0, 0) != draws(0, 0)  # those of the run's random state, which goes on
