from pathlib import Path

from irg_experiments.sweeps.states import State, Watch, lowest_validation_metric
from tests.sweeps.runs import runs_of, write_files


def test_the_record_of_an_earlier_attempt_says_nothing(tmp_path: Path):
    (run,) = runs_of(tmp_path)
    write_files(run, "running", [{"step": 30, "train_loss": 2.0}])
    watch = Watch(run)
    assert watch.earlier_step == 30
    assert watch.state() == State("waiting", 30)
    write_files(run, "running", [{"step": 40, "train_loss": 2.0}], modified=7.0)
    assert watch.state() == State("running", 40, 7.0)


def test_the_metric_is_that_of_the_last_evaluation(tmp_path: Path):
    (run,) = runs_of(tmp_path)
    watch = Watch(run)
    assert watch.state() == State("waiting")
    rows = [{"step": 10, "test_perplexity": 12.5, "test_kl": 1.0}, {"step": 20, "train_loss": 1.0}]
    write_files(run, "failed", rows, modified=3.0)
    assert watch.state() == State("failed", 20, 3.0, "perplexity 12.5")


def test_the_metric_to_minimise_is_of_validation_items_alone(tmp_path: Path):
    assert lowest_validation_metric(tmp_path) is None
    (run,) = runs_of(tmp_path)
    evaluations = [{"test_nll": 1.0, "validation_nll": value, "validation_kl": 0.5} for value in (4.0, 3.0, None, 3.5)]
    write_files(run, "done", [{"step": step, **row} for step, row in enumerate(evaluations)])
    assert lowest_validation_metric(run.directory) == 3.0
    write_files(run, "done", [{"step": 1, "test_nll": 1.0, "train_loss": 2.0}])
    assert lowest_validation_metric(run.directory) is None
