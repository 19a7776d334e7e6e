"""Runs for TensorBoard: scalars over time, config and final metrics as HParams, and figures."""

import os
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from irg_experiments.files import written_whole
from irg_experiments.results.export.base import TrackedRun, Tracker

# files beside those that training wrote
SUFFIX = ".hparams"
RGBA = 4


class TensorBoard(Tracker):
    """One folder per run, ``<experiment>/<name of the run>``, which is the name that TensorBoard shows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.shown_by = f"See them by: tensorboard --logdir {folder}"

    def has(self, run: TrackedRun) -> bool:
        """Whether this very run is there: an earlier one of the same name is not."""
        key = self._of(run) / "key"
        return key.is_file() and key.read_text(encoding="utf-8") == run.key

    def write(self, run: TrackedRun, figures: Sequence[Path]) -> None:
        """See ``Tracker``."""
        folder = self._of(run)
        shutil.rmtree(folder, ignore_errors=True)
        scalars = [(row["step"], {name: value for name, value in row.items() if name != "step"}) for row in run.history]
        _write(folder, [*(_event(step, _scalars(row)) for step, row in scalars), *_description(run, figures)])
        (folder / "key").write_text(run.key, encoding="utf-8")

    def _of(self, run: TrackedRun) -> Path:
        return self._folder / run.record["experiment"] / run.name


def describe(folder: Path, run: TrackedRun, figures: Sequence[Path]) -> None:
    """Adds HParams and figures to the scalars that training wrote into a folder, in place of earlier ones."""
    for earlier in folder.glob(f"*{SUFFIX}"):
        earlier.unlink()
    _write(folder, _description(run, figures))


def _description(run: TrackedRun, figures: Sequence[Path]) -> list[Event]:
    step = run.record["steps"] or 0
    return [
        _event(0, _columns(run)),
        _event(0, _start(run)),
        _event(step, _scalars(run.metrics)),
        *(_event(step, _image(figure)) for figure in figures),
        _event(step, _end()),
    ]


def _columns(run: TrackedRun) -> Summary:
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=_tag(name))) for name in run.metrics]
    columns = api_pb2.Experiment(hparam_infos=[api_pb2.HParamInfo(name=key) for key in run.options], metric_infos=metrics)
    return _hparams(metadata.EXPERIMENT_TAG, experiment=columns)


def _start(run: TrackedRun) -> Summary:
    info = plugin_data_pb2.SessionStartInfo(group_name=run.name)
    for key, value in run.options.items():
        if isinstance(value, bool):  # True is an int, too
            info.hparams[key].bool_value = value
        elif isinstance(value, int | float):
            info.hparams[key].number_value = value
        else:
            info.hparams[key].string_value = str(value)
    return _hparams(metadata.SESSION_START_INFO_TAG, session_start_info=info)


def _end() -> Summary:
    info = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS)
    return _hparams(metadata.SESSION_END_INFO_TAG, session_end_info=info)


def _hparams(tag: str, **data: Any) -> Summary:
    # the functions of tensorboard.plugins.hparams.summary do the same, and import TensorFlow
    described = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**data))
    return Summary(value=[Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)])


def _tag(name: str) -> str:
    """The name of a metric as training writes it: ``test/perplexity``."""
    return name.replace("_", "/", 1)


def _scalars(values: Mapping[str, Any]) -> Summary:
    finite = {name: value for name, value in values.items() if value is not None}
    return Summary(value=[Summary.Value(tag=_tag(name), simple_value=value) for name, value in finite.items()])


def _image(figure: Path) -> Summary:
    png = figure.read_bytes()
    width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))  # of the header
    image = Summary.Image(height=height, width=width, colorspace=RGBA, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=f"figures/{figure.stem}", image=image)])


def _event(step: int, values: Summary) -> Event:
    return Event(wall_time=time.time(), step=step, summary=values)


def _write(folder: Path, events: Sequence[Event]) -> None:
    """Writes a file of events. TensorBoard's own writer does so in a thread, whose errors end in a traceback."""
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    version = Event(wall_time=now, file_version="brain.Event:2")
    path = folder / f"events.out.tfevents.{now:.0f}.{socket.gethostname()}.{os.getpid()}{SUFFIX}"
    with written_whole(path) as temporary, temporary.open("wb") as file:
        writer = RecordWriter(file)
        for event in (version, *events):
            writer.write(event.SerializeToString())
