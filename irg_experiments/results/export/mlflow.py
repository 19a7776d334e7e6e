"""Runs in a local MLflow store: an SQLite file, and a folder of artifacts beside it."""

import logging
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reports its use to its makers otherwise

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from irg_experiments.results.export.base import TrackedRun, Tracker

# what MLflow takes in one call, and as one value
MOST_METRICS, MOST_PARAMS, LONGEST = 1000, 100, 500
KEY = "irg.key"
FINISHED = "FINISHED"


class MLflow(Tracker):
    """One MLflow experiment per experiment."""

    def __init__(self, folder: Path) -> None:
        store = f"sqlite:///{folder / 'mlflow.db'}"
        self.shown_by = f"See them by: mlflow ui --backend-store-uri {store}"
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # it tells of every table that it makes
        self._client = MlflowClient(tracking_uri=store)
        self._artifacts = folder / "artifacts"

    def has(self, run: TrackedRun) -> bool:
        """See ``Tracker``."""
        return any(it.info.status == FINISHED for it in self._runs(run))

    def write(self, run: TrackedRun, figures: Sequence[Path]) -> None:
        """See ``Tracker``."""
        for begun in self._runs(run):
            self._client.delete_run(begun.info.run_id)
        start = int(datetime.fromisoformat(run.record["started"]).timestamp() * 1000)
        tags = {f"irg.{name}": text for name, text in run.tags.items()}
        created = self._client.create_run(self._experiment(run), start, {**tags, KEY: run.key}, run.name).info.run_id
        rows = [*run.history, {"step": run.record["steps"] or 0, **run.metrics}]
        metrics = [
            Metric(_name(name), value, start, row["step"])
            for row in rows
            for name, value in row.items()
            if name != "step" and value is not None
        ]
        params = [Param(_name(key), str(value)[:LONGEST]) for key, value in run.options.items()]
        for first in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(created, metrics=metrics[first : first + MOST_METRICS])
        for first in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(created, params=params[first : first + MOST_PARAMS])
        for figure in figures:
            self._client.log_artifact(created, str(figure), "figures")
        self._client.log_dict(created, run.record, "run.json")
        seconds = run.record["wall_seconds"] or 0
        self._client.set_terminated(created, FINISHED, start + int(seconds * 1000))

    def _runs(self, run: TrackedRun) -> list[Run]:
        return list(self._client.search_runs([self._experiment(run)], f"tags.`{KEY}` = '{run.key}'"))

    def _experiment(self, run: TrackedRun) -> str:
        name = run.record["experiment"]
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name, (self._artifacts / name).as_uri())


def _name(name: str) -> str:
    """A name with the characters that MLflow allows."""
    return re.sub(r"[^A-Za-z0-9_\-. /]", "_", name)
