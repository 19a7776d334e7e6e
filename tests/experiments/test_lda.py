import json
import shutil
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from irg_experiments.config import ConfigTree
from irg_experiments.config.command_line import resolved
from irg_experiments.errors import DivergedError, UserError
from irg_experiments.experiments.lda import LDAExperiment
from irg_experiments.experiments.lda.figures import comparisons, document_weights, match_topics, topic_images, topic_weights
from irg_experiments.experiments.lda.gradient import GradientTask
from irg_experiments.experiments.lda.results import headline_table, paper_perplexity, perplexity_table, quality_table
from irg_experiments.experiments.lda.updates import Updates
from irg_experiments.experiments.runner import make_experiment, run_experiment
from irg_experiments.results.arrays import read_arrays
from irg_experiments.results.record import Record, read_record
from irg_experiments.training.metrics_log import read_metrics

Compose = Callable[..., DictConfig]
SMOKE = ("experiment=lda", "budget=smoke", "threads=1")
FEW = "+data.num_test=50"  # the perplexity of the true model takes most of the time of a small run


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the rest."""
    monkeypatch.setattr("irg_experiments.experiments.runner.draw", lambda *_: [])


def run(compose: Compose, tmp_path: Path, *overrides: str) -> Path:
    arguments = [*SMOKE, f"output={tmp_path}", *overrides]
    return run_experiment(compose(*arguments), arguments)


def test_a_run_leaves_its_record_and_pictures(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    directory = run(compose, tmp_path)
    record = json.loads((directory / "record.json").read_text())
    assert (record["status"], record["error"], record["method_label"]) == ("done", None, "implicit")
    assert {"test_perplexity", "test_perplexity_corpus", "test_elbo", "test_kl"} <= record["metrics"].keys()
    assert -1 < record["metrics"]["topic_coherence"] < 1
    assert 0.1 <= record["metrics"]["topic_diversity"] <= 1
    assert 1 < record["metrics"]["effective_topics"] < 10
    assert 22.3 < record["metrics"]["true_model_perplexity"] < record["metrics"]["test_perplexity"] < 30
    assert record["command"] == "irg-run experiment=lda budget=smoke threads=1"
    assert record["config"]["training"]["steps"] == 60
    assert record["config"]["data"]["root"] == "${oc.env:IRG_DATA,data}"
    assert str(tmp_path) not in (directory / "config.yaml").read_text().replace(f"output: {tmp_path}", "")
    names = {path.name for path in directory.iterdir()}
    assert names == {"config.yaml", "metrics.jsonl", "tensorboard", "checkpoint.pt", "checkpoint.previous.pt", "figures"} | {
        "record.json",
        "topics.npz",
    }
    pictures = {path.name for path in (directory / "figures").iterdir()}
    assert pictures == {"learning_curve.png", "topic_weights.png", "document_weights.png", "topics.png"}
    assert len(list((directory / "tensorboard").glob("*.hparams"))) == 1
    first = capsys.readouterr().out
    assert "test perplexity" in first
    shutil.rmtree(directory / "figures")
    assert run(compose, tmp_path) == directory
    assert capsys.readouterr().out == first
    assert {path.name for path in (directory / "figures").iterdir()} == pictures


@pytest.mark.usefixtures("undrawn")
def test_the_variance_of_gradients_is_compared_during_training_and_changes_nothing_else(compose: Compose, tmp_path: Path):
    settings = (FEW, "training.steps=20", "training.evaluate_every=10")
    methods = "gradient_variance.methods=[implicit,{name: rsvi, augmentation: 3}]"
    plain = run(compose, tmp_path, *settings)
    directory = run(compose, tmp_path, *settings, methods, "gradient_variance.repeats=3")
    names = ["gradient_variance_implicit", "gradient_variance_rsvi_augmentation_3"]
    first, second = (row for row in read_metrics(directory / "metrics.jsonl") if names[0] in row)
    assert all(0 < first[name] != second[name] > 0 for name in names)
    assert [row["train_loss"] for row in read_metrics(directory / "metrics.jsonl")] == [
        row["train_loss"] for row in read_metrics(plain / "metrics.jsonl")
    ]
    drawn = [{figure.name for figure in LDAExperiment.figures(it, read_record(it) or {})} for it in (plain, directory)]
    assert drawn[1] - drawn[0] == {"gradient_variance"}
    assert read_arrays(directory / "topics.npz")["variance_labels"].tolist() == ["implicit", "RSVI, B = 3"]


def test_a_run_by_rows_that_is_stopped_and_repeated_has_the_same_metrics(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = (FEW, "training.batch_size=1", "training.checkpoint_every=20", "training.evaluate_every=15")
    monkeypatch.setattr("irg_experiments.experiments.lda.updates.FEW_ROWS", 10)
    monkeypatch.setattr("irg_experiments.training.row_adam.DENSE_STEPS", 10)
    whole = run(compose, tmp_path / "whole", *settings)
    step = Updates.step

    def stopped(updates: Updates, *arguments: object) -> torch.Tensor:
        if updates.tables["word_weight"].step == 50:
            raise KeyboardInterrupt
        return step(updates, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Updates, "step", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(compose, tmp_path / "stopped", *settings)
    repeated = run(compose, tmp_path / "stopped", *settings)
    assert read_metrics(whole / "metrics.jsonl") == read_metrics(repeated / "metrics.jsonl")
    assert read_record(whole)["metrics"] == read_record(repeated)["metrics"]


@pytest.mark.parametrize("model", ["lda", "ln_lda"])
def test_the_parameters_of_the_encoder_are_found(compose: Compose, model: str):
    config = make_experiment(resolved(compose(*SMOKE, FEW, f"model={model}")), ConfigTree()).config
    task = GradientTask(config, torch.device("cpu"), False, ConfigTree())
    own = {id(parameter) for parameter in task.encoder_parameters()}
    others = {name for name, parameter in task.model.named_parameters() if id(parameter) not in own}
    assert others == {"topic_logits", "prior_logits"}


@pytest.mark.usefixtures("undrawn")
def test_a_repetition_has_the_same_metrics(compose: Compose, tmp_path: Path):
    first, second = (json.loads((run(compose, tmp_path / it, FEW) / "record.json").read_text()) for it in ("a", "b"))
    assert first["metrics"] == second["metrics"]
    assert first["identity"] == second["identity"]


def test_methods_that_cannot_are_refused_with_those_that_can(compose: Compose, tmp_path: Path):
    with pytest.raises(UserError, match=r"method=explicit cannot .* samples of model=lda\. Methods that can: .*implicit"):
        run(compose, tmp_path, FEW, "method=explicit")


def test_batches_larger_than_the_corpus_are_refused(compose: Compose, tmp_path: Path):
    with pytest.raises(UserError, match=r"training\.batch_size must be at most 2000"):
        run(compose, tmp_path, FEW, "training.batch_size=2001")


def test_divergence_is_recorded(compose: Compose, tmp_path: Path):
    with pytest.raises(DivergedError):
        run(compose, tmp_path, FEW, "training.learning_rate=1e30")
    (path,) = tmp_path.rglob("record.json")
    record = json.loads(path.read_text())
    assert record["status"] == "failed"
    assert record["error"].startswith("DivergedError: The loss became")


def record_of(seed: int, perplexity: float | None, label: str = "implicit") -> Record:
    return {
        "model": "lda",
        "method_label": label,
        "data": "newsgroups",
        "budget": "paper",
        "seed": seed,
        "group": label,
        "git_commit": "a" * 40,
        "started": "2026-01-01",
        "steps": 180_000,
        "steps_per_second": 250.0,
        "command": f"irg-run data=newsgroups budget=paper seed={seed}",
        "metrics": {"test_perplexity": perplexity, "test_perplexity_corpus": 8.0},
        "config": {"model": {"name": "lda", "topics": 50}, "method": {"name": "implicit"}, "data": {"name": "newsgroups"}},
    }


def test_seeds_are_averaged_beside_the_paper():
    (row,) = perplexity_table([record_of(1, 870.0), record_of(0, 880.0)]).rows
    names = ["lda", "implicit", "newsgroups"]
    command = "`irg-run -m data=newsgroups budget=paper seed=0,1`"
    # the standard error of the difference is sqrt(50 / 2 + 7²)
    assert row == [*names, "875.0 ± 7.1", "8.0 ± 0.0", "876 ± 7", "-1.0 (-0.1)", "2", "180,000", "250", command]


def test_a_run_that_measured_variances_of_gradients_counts_once():
    measured = {**record_of(0, 880.0), "group": "measured"}
    measured["config"] = {**measured["config"], "gradient_variance": {"methods": [{"name": "rsvi"}], "repeats": 20}}
    assert [row[-4] for row in perplexity_table([record_of(0, 880.0), record_of(1, 870.0), measured]).rows] == ["2"]
    assert [row[3] for row in perplexity_table([measured]).rows] == ["880.0"]
    other = {**measured, "config": {**measured["config"], "training": {"batch_size": 64}}}
    assert [row[-4] for row in perplexity_table([record_of(0, 880.0), other]).rows] == ["1", "1"]


def test_the_headline_has_the_training_of_the_budget_and_names_several_samples():
    shown = {"metrics": {"test_perplexity": 1095.0, "test_perplexity_corpus": 8.0}, "command": "irg-run training.num_samples=5"}
    several = {**record_of(0, 0.0, "score function"), **shown}
    several["config"] = {**several["config"], "training": {"num_samples": 5}}
    excluded = [
        {**record_of(0, 1.0, label), "command": f"irg-run {word}"}
        for label, word in (
            ("a", "training.steps=9"),
            ("b", "budgets.paper.steps=9"),
            ("c", "++method.recommended.budgets.x=9"),
        )
    ]
    rows = headline_table([record_of(0, 880.0), several, *excluded, {**record_of(0, 1.0, "d"), "budget": "short"}]).rows
    assert [row[1] for row in rows] == ["implicit", "score function, 5 samples"]
    (row,) = perplexity_table([excluded[1] | {"method_label": "implicit"}]).rows
    assert row[5:7] == ["876 ± 7", "–"]


def test_the_subset_of_rcv1_is_told_from_the_papers_corpus():
    subset = {**record_of(0, 900.0), "data": "rcv1_subset"}
    subset["config"] = {**subset["config"], "data": ConfigTree().load("data", "rcv1_subset")}
    (row,) = perplexity_table([subset]).rows
    assert row[2] == "rcv1_subset, a part: not the paper's RCV1"
    assert row[5:7] == ["–", "–"]


def test_the_quality_of_topics_is_averaged_and_missing_metrics_are_dashes():
    measured = {"topic_coherence": 0.1, "topic_diversity": 0.5, "topic_weight_sparsity": 0.25, "effective_topics": 3.0}
    first, second, earlier = record_of(0, 1.0), record_of(1, 1.0), record_of(0, 1.0, "of an earlier version")
    first["metrics"].update(measured)
    second["metrics"].update(measured, topic_coherence=0.3)
    earlier["metrics"]["topic_weight_sparsity"] = 0.5
    rows = quality_table([first, second, earlier]).rows
    assert rows[0][3:] == ["0.200 ± 0.141", "0.500 ± 0.000", "0.250 ± 0.000", "3.00 ± 0.00", "2", "180,000"]
    assert rows[1][3:] == ["–", "–", "0.500", "–", "1", "180,000"]


def test_variants_of_a_method_are_told_apart_and_others_than_the_papers_have_no_figure():
    rows = perplexity_table([record_of(0, 970.0, "RSVI, B = 5"), record_of(0, None)]).rows
    assert [row[1] for row in rows] == ["RSVI, B = 5", "implicit"]
    assert [row[3] for row in rows] == ["970.0", "not finite"]
    assert rows[0][5:7] == ["968 ± 18", "+2.0"]
    config = record_of(0, 1.0)["config"]
    for group, changed in [("model", {"topics": 20}), ("model", {"hidden": [2]}), ("data", {"num_words": 9})]:
        other = {**config, group: {**config[group], **changed}}
        assert paper_perplexity({**record_of(0, 1.0), "config": other}) is None


def test_learning_curves_of_the_configurations_are_compared(tmp_path: Path):
    """From the rows of the runs, or the evaluations that a committed run keeps; a run without either is left out."""
    runs = []
    for name, label, file in (("a", "implicit", "metrics"), ("b", "RSVI, B = 1", "evaluations"), ("c", "score function", None)):
        directory = tmp_path / name
        directory.mkdir()
        if file is not None:
            rows = [{"step": step, "test_perplexity": 1000.0 / step} for step in (1, 2)]
            (directory / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        runs.append((directory, record_of(0, 500.0, label)))
    (figure,) = comparisons(runs)
    assert figure.name == "newsgroups_paper_learning_curves"
    assert list(figure.draw.keywords["curves"]) == ["lda, RSVI, B = 1", "lda, implicit"]
    assert not list(comparisons(runs[:1]))


def test_topics_are_matched():
    true = np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])
    np.testing.assert_array_equal(match_topics(true[:, [2, 0, 1]], true), true)


def test_pictures_of_topics(tmp_path: Path):
    paths = [
        topic_weights(tmp_path / "weights.png", np.array([0.2, 0.5, 0.3]), 0.25),
        document_weights(tmp_path / "documents.png", np.array([[0.4, 0.0, 0.0], [0.6, 0.3, 1e-9], [0.9, 0.5, 0.2]])),
        topic_images(tmp_path / "topics.png", {"true": np.eye(4), "learned": np.eye(4)}, 2),
    ]
    for path in paths:
        assert matplotlib.image.imread(path).std() > 0


@pytest.mark.data
def test_newsgroups(compose: Compose, tmp_path: Path, data_root: Path, capsys: pytest.CaptureFixture[str]):
    directory = run(compose, tmp_path, "data=newsgroups", f"data.root={data_root}")
    # after 60 steps the model still is near the uniform distribution over its 1,995 words
    assert 1500 < json.loads((directory / "record.json").read_text())["metrics"]["test_perplexity"] < 2000
    printed = capsys.readouterr().out
    assert "876 ± 7" in printed
    assert "most probable words" in printed
