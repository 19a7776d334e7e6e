"""Finished runs in the stores of trackers, each read again by its own library."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.errors import UserError
from irg_experiments.results.export import TRACKERS, add_to_tensorboard
from irg_experiments.results.figures import plt, save
from irg_experiments.results.report import main
from tests.results.counted import Counted, change, write

ROWS = [{"step": 10, "test_loss": 2.0}, {"step": 20, "test_loss": None}, {"step": 30, "test_loss": 1.0}]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with a finished run that has metrics over time and a figure, and an unfinished one."""
    directory = change(
        write(tmp_path / "runs", "readable"), steps=30, metrics={"x": 3.25, "by μ": {"a, b": [1.5, None]}}
    ).parent
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    save(plt.subplots()[0], directory / "figures" / "curve.png")
    write(tmp_path / "runs", "unfinished", "running")
    return tmp_path / "runs"


def exported(runs: Path, tracker: str, capsys: pytest.CaptureFixture[str]) -> Path:
    """The store, after the runs were written to it twice."""
    store = runs.parent / "store"
    for told in (f"1 run written to {store}. ", f"0 runs written to {store}, 1 were there. "):
        main([str(runs), "--export", tracker, "--to", str(store)])
        assert capsys.readouterr().out.startswith(told)
    return store


def events(folder: Path) -> Any:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    return found


def hparams_of(found: Any) -> dict[str, Any]:
    """What the plugin of HParams is told, by kind."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    contents = found.summary_metadata.items()
    data = [
        plugin_data_pb2.HParamsPluginData.FromString(it.plugin_data.content)
        for tag, it in contents
        if tag.startswith("_hparams_")
    ]
    return {kind.WhichOneof("data"): getattr(kind, kind.WhichOneof("data")) for kind in data}


def test_tensorboard(runs: Path, capsys: pytest.CaptureFixture[str]):
    found = events(exported(runs, "tensorboard", capsys) / "counted" / "readable")
    assert [(event.step, event.value) for event in found.Scalars("test/loss")] == [(10, 2.0), (30, 1.0)]
    assert [event.value for event in found.Scalars("x")] == [3.25]
    assert [event.value for event in found.Scalars("by μ.a, b.0")] == [1.5]
    (image,) = found.Images("figures/curve")
    assert image.encoded_image_string == (runs / "readable" / "figures" / "curve.png").read_bytes()
    told = hparams_of(found)
    assert told["session_start_info"].group_name == "readable"
    assert told["session_start_info"].hparams["seed"].number_value == 0
    assert told["session_start_info"].hparams["data.name"].string_value == "bars"
    assert "x" in [it.name.tag for it in told["experiment"].metric_infos]


def test_the_scalars_of_training_are_completed_once(runs: Path, caplog: pytest.LogCaptureFixture):
    from torch.utils.tensorboard import SummaryWriter

    directory = runs / "readable"
    folder, record = directory / "tensorboard", json.loads((directory / "record.json").read_text())
    add_to_tensorboard(Counted, directory, record)
    assert not folder.exists()  # nothing was trained
    with SummaryWriter(str(folder)) as writer:
        writer.add_scalar("test/loss", 2.0, 10)
    (trained,) = folder.iterdir()
    for _ in range(2):
        add_to_tensorboard(Counted, directory, record)
    (added,) = set(folder.iterdir()) - {trained}
    assert hparams_of(events(added)).keys() == {"experiment", "session_start_info", "session_end_info"}
    assert [event.value for event in events(added).Scalars("x")] == [3.25]
    assert [event.value for event in events(trained).Scalars("test/loss")] == [2.0]
    assert caplog.messages == []


def test_what_cannot_be_added_is_one_line_of_log(runs: Path, caplog: pytest.LogCaptureFixture):
    directory = runs / "readable"
    (directory / "tensorboard").mkdir()
    (directory / "figures" / "curve.png").unlink()
    (directory / "figures" / "curve.png").mkdir()
    add_to_tensorboard(Counted, directory, json.loads((directory / "record.json").read_text()))
    (message,) = caplog.messages
    assert message.startswith(f"{directory / 'tensorboard'} could not be completed (IsADirectoryError")


@pytest.mark.filterwarnings("default")  # of the library
def test_mlflow(runs: Path, capsys: pytest.CaptureFixture[str]):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed (pip install 'irg-experiments[mlflow]')")
    store = exported(runs, "mlflow", capsys)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("counted").experiment_id])
    assert (run.info.run_name, run.info.status) == ("readable", "FINISHED")
    assert run.data.metrics == {"x": 3.25, "by _.a_ b.0": 1.5, "test_loss": 1.0}
    history = client.get_metric_history(run.info.run_id, "test_loss")
    assert [(metric.step, metric.value) for metric in history] == [(10, 2.0), (30, 1.0)]
    assert run.data.params["data.name"] == "bars"
    assert run.data.tags["irg.command"] == "irg-run experiment=counted"
    assert {it.path for it in client.list_artifacts(run.info.run_id)} == {"figures", "run.json"}
    assert [it.path for it in client.list_artifacts(run.info.run_id, "figures")] == ["figures/curve.png"]


@pytest.mark.filterwarnings("default")  # of the library
def test_wandb(runs: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("wandb", reason="W&B is not installed (pip install 'irg-experiments[wandb]')")
    store = exported(runs, "wandb", capsys)
    (file,) = store.glob("wandb/offline-run-*/*.wandb")
    written = file.read_bytes()
    for told in (b"readable", b"irg-run experiment=counted", b"test_loss", b"3.25", b"curve"):
        assert told in written
    assert list(store.glob("wandb/offline-run-*/files/media/images/figures/curve*.png"))


@pytest.mark.filterwarnings("default")  # of the libraries
@pytest.mark.parametrize("tracker", TRACKERS)
def test_an_interrupted_export_is_repeated(
    runs: Path, tracker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip(tracker)

    def interrupted(directory: Path) -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Counted, "history", staticmethod(interrupted))
        with pytest.raises(KeyboardInterrupt):
            main([str(runs), "--export", tracker, "--to", str(runs.parent / "store")])
    exported(runs, tracker, capsys)


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_is_told_in_one_line(runs: Path, tracker: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, tracker, None)
    monkeypatch.delitem(sys.modules, TRACKERS[tracker].rpartition(".")[0], raising=False)
    with pytest.raises(UserError) as error:
        main([str(runs), "--export", tracker, "--to", str(runs.parent / "store")])
    assert str(error.value) == f"--export {tracker} needs {tracker}: pip install 'irg-experiments[{tracker}]'."


def test_a_store_that_cannot_be_written_is_told_in_one_line(runs: Path):
    (runs.parent / "file").touch()
    with pytest.raises(UserError, match=r"^\S+/file/store cannot be written \(.*\)\. Choose another folder by --to\.$"):
        main([str(runs), "--export", "tensorboard", "--to", str(runs.parent / "file" / "store")])
