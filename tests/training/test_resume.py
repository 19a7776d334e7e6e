"""A run that was killed and resumed in another process gives the numbers of an uninterrupted one, bit by bit."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from irg_experiments import implicit
from irg_experiments.training.metrics_log import read_metrics
from tests.command_line import SECONDS
from tests.training.resumable import run


@pytest.fixture(autouse=True)
def _restored_settings() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    implicit.set_compile("off")


@pytest.mark.parametrize("mode", ["off", pytest.param("on", marks=pytest.mark.compiler)])
def test_resumed_in_another_process(tmp_path: Path, mode: str):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()

    def copy(step: int) -> None:
        if step == 6:  # what a kill at this moment would leave: a checkpoint of step 4, and rows of steps 5 and 6
            shutil.copytree(whole, killed)

    expected = run(whole, mode, copy)
    command = [sys.executable, "-m", "tests.training.resumable", str(killed), mode]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == expected.metrics
    assert read_metrics(killed / "metrics.jsonl") == read_metrics(whole / "metrics.jsonl")
