"""What a worker does before its first run."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from irg_experiments.config import ConfigTree
from irg_experiments.errors import RunFailedError, UserError
from irg_experiments.experiments import runner
from irg_experiments.sweeps import job
from irg_experiments.sweeps.job import Job

ELSEWHERE = "another host", 1


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders in which an experiment would have been run, as the fourth job of a sweep."""
    folders = []
    monkeypatch.setattr(runner, "run_experiment", lambda *_: folders.append(Path.cwd()) or Path.cwd())
    config = OmegaConf.create({"hydra": {"job": {"num": 3}, "overrides": {"task": []}}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", config)
    return folders


def test_a_worker_runs_where_the_command_was_typed(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    assert Job(ConfigTree(), folder=tmp_path, sweep=ELSEWHERE)({}) is None
    assert runs == [tmp_path]


@pytest.mark.parametrize(("gpus", "visible", "expected"), [(0, None, None), (1, "5", "5"), (2, None, "1"), (3, "2,4,6", "2")])
def test_of_several_gpus_a_worker_takes_one(
    gpus: int, visible: str | None, expected: str | None, runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    job._take_one_gpu.cache_clear()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.chdir(tmp_path)
    Job(ConfigTree(), sweep=ELSEWHERE)({})
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == expected
    job._take_one_gpu.cache_clear()


def test_errors_that_a_sweep_cannot_unpickle_do_not_leave_a_job(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    class OwnError(Exception):
        pass

    def fail(error: Exception) -> Any:
        def run(*_: Any) -> None:
            raise error

        monkeypatch.setattr(runner, "run_experiment", run)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fail(OwnError("bad"))
    with pytest.raises(RunFailedError, match=r"OwnError: bad\. This is a mistake in irg-experiments; its traceback is in"):
        Job(ConfigTree())({})
    (file,) = tmp_path.iterdir()
    assert "OwnError: bad" in file.read_text()
    fail(UserError("no such"))
    with pytest.raises(UserError, match="no such"):
        Job(ConfigTree())({})


def test_a_quiet_job_logs_warnings_alone(runs: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    logger = logging.getLogger("irg_experiments.experiments.runner")

    def run(*_: Any) -> Path:
        logger.info("told")
        logger.warning("warned")
        return Path()

    monkeypatch.setattr(runner, "run_experiment", run)
    with caplog.at_level(logging.INFO):
        Job(ConfigTree(), quiet=True)({})
    assert caplog.messages == ["warned"]
