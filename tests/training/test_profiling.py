import json
import logging
from pathlib import Path

import pytest
import torch

from irg_experiments.training.loop import Schedule, TrainingResult, train
from irg_experiments.training.metrics_log import read_metrics
from irg_experiments.training.profiling import SKIPPED, TRACE, TRACED, WARM_UP
from tests.training.test_loop import NoisyRegression

NEEDED = SKIPPED + WARM_UP + TRACED


def run(directory: Path, steps: int, profile: bool) -> TrainingResult:
    directory.mkdir(exist_ok=True)
    schedule = Schedule(steps, log_every=7, evaluate_every=20, checkpoint_every=20)
    return train(NoisyRegression(), schedule, 3, directory, torch.device("cpu"), profile)


def test_a_trace_of_some_steps_is_written_and_changes_no_metric(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    plain, traced = tmp_path / "plain", tmp_path / "traced"
    expected = run(plain, NEEDED + 5, profile=False)
    with caplog.at_level(logging.INFO):
        assert run(traced, NEEDED + 5, profile=True).metrics == expected.metrics
    assert read_metrics(traced / "metrics.jsonl") == read_metrics(plain / "metrics.jsonl")
    names = [event.get("name", "") for event in json.loads((traced / TRACE).read_text())["traceEvents"]]
    assert {f"ProfilerStep#{step}" for step in range(SKIPPED + WARM_UP, NEEDED)} <= set(names)
    assert f"ProfilerStep#{NEEDED}" not in names
    assert "aten::randn" in names
    assert not (plain / TRACE).exists()
    shares = [
        float(record.getMessage().split("%")[0]) for record in caplog.records if " calls per step " in record.getMessage()
    ]
    assert len(shares) == 5
    assert 100 >= sum(shares) >= shares[0] >= shares[4] > 0


def test_a_run_that_is_too_short_for_a_trace_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    run(tmp_path / "run", SKIPPED + WARM_UP, profile=True)
    assert caplog.messages == ["profile=true traced nothing: it begins after 15 steps of a session."]
    assert not (tmp_path / "run" / TRACE).exists()


def test_a_trace_that_cannot_be_written_costs_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "run" / TRACE).mkdir(parents=True)
    assert run(tmp_path / "run", NEEDED, profile=True).metrics
    assert [it for it in caplog.messages if it.startswith("The trace could not be written (")] == caplog.messages
    assert [path.name for path in (tmp_path / "run").glob("profile*")] == [TRACE]
