import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from irg_experiments.errors import DivergedError, UserError
from irg_experiments.experiments import run_experiment
from irg_experiments.experiments.lda import match_topics

Compose = Callable[..., DictConfig]
SMOKE = ("experiment=lda", "budget=smoke", "compile=off", "threads=1")


def run(compose: Compose, tmp_path: Path, *overrides: str) -> Path:
    arguments = [*SMOKE, f"output={tmp_path}", *overrides]
    return run_experiment(compose(*arguments), arguments)


def test_a_run_leaves_its_record_and_pictures(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    directory = run(compose, tmp_path)
    record = json.loads((directory / "record.json").read_text())
    assert record["status"] == "done"
    assert record["error"] is None
    assert {"test_perplexity", "test_perplexity_corpus", "test_elbo", "test_kl"} <= record["metrics"].keys()
    assert 20 < record["metrics"]["test_perplexity"] < 30
    assert record["command"] == "irg-run experiment=lda budget=smoke compile=off threads=1"
    assert record["config"]["training"]["steps"] == 60
    assert record["config"]["data"]["root"] == "${oc.env:IRG_DATA,data}"
    assert str(tmp_path) not in (directory / "config.yaml").read_text().replace(f"output: {tmp_path}", "")
    names = {path.name for path in directory.iterdir()}
    assert {"config.yaml", "metrics.jsonl", "tensorboard", "checkpoint.pt", "figures", "record.json"} <= names
    pictures = {path.name for path in (directory / "figures").iterdir()}
    assert pictures == {"learning_curve.png", "topic_weights.png", "topics.png"}
    output = capsys.readouterr().out
    assert "test perplexity" in output
    assert "topics.png" in output


def test_a_finished_run_is_skipped_and_rerun_repeats_it(compose: Compose, tmp_path: Path):
    directory = run(compose, tmp_path)
    first = (directory / "record.json").stat().st_mtime_ns
    assert run(compose, tmp_path) == directory
    assert (directory / "record.json").stat().st_mtime_ns == first
    metrics = json.loads((directory / "record.json").read_text())["metrics"]
    assert run(compose, tmp_path, "rerun=true") == directory
    assert (directory / "record.json").stat().st_mtime_ns > first
    assert json.loads((directory / "record.json").read_text())["metrics"] == metrics


def test_explicit_points_at_ln_lda(compose: Compose, tmp_path: Path):
    with pytest.raises(UserError, match="LN-LDA"):
        run(compose, tmp_path, "method=explicit")


def test_divergence_is_recorded(compose: Compose, tmp_path: Path):
    with pytest.raises(DivergedError):
        run(compose, tmp_path, "training.learning_rate=1e30")
    (path,) = tmp_path.rglob("record.json")
    record = json.loads(path.read_text())
    assert record["status"] == "failed"
    assert record["error"].startswith("DivergedError: The loss became")


def test_topics_are_matched():
    true = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])
    assert torch.equal(match_topics(true[:, [2, 0, 1]], true), true)


@pytest.mark.data
def test_newsgroups(compose: Compose, tmp_path: Path, data_root: Path, capsys: pytest.CaptureFixture[str]):
    directory = run(compose, tmp_path, "data=newsgroups", f"data.root={data_root}")
    # after 60 steps the model still is near the uniform distribution over its 1,995 words
    assert 1500 < json.loads((directory / "record.json").read_text())["metrics"]["test_perplexity"] < 2000
    assert "876 ± 7" in capsys.readouterr().out
