"""Finished runs in the stores of experiment trackers: ``irg-report --export``."""

import importlib
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irg_experiments.errors import UserError
from irg_experiments.results.collect import Run, by_experiment
from irg_experiments.results.drawing import draw
from irg_experiments.results.export.base import TrackedRun, Tracker, tracked

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "add_to_tensorboard", "export", "tracked"]

log = logging.getLogger(__name__)

# the class of each tracker
TRACKERS = {
    "mlflow": "irg_experiments.results.export.mlflow.MLflow",
    "tensorboard": "irg_experiments.results.export.tensorboard.TensorBoard",
    "wandb": "irg_experiments.results.export.wandb.WandB",
}


def export(tracker: str, runs: Sequence[Run], folder: Path) -> str:
    """Writes the runs, but for those that are in the store already.

    Args:
        tracker: one of ``TRACKERS``.
        runs: finished ones.
        folder: of the store.

    Returns:
        How many runs were written where, and the command that shows them.

    Raises:
        UserError: the tracker is not installed, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store = _store(tracker, folder.resolve())
        written = sum(_write(store, experiment, *run) for experiment, of_it in by_experiment(runs) for run in of_it)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror or error}). Choose another folder by --to.") from error
    there = f", {len(runs) - written} were there" if written < len(runs) else ""
    return f"{written} {'run' if written == 1 else 'runs'} written to {folder}{there}. {store.shown_by}"


def _store(tracker: str, folder: Path) -> Tracker:
    module, _, name = TRACKERS[tracker].rpartition(".")
    try:
        store: Tracker = getattr(importlib.import_module(module), name)(folder)
    except ImportError as error:
        raise UserError(f"--export {tracker} needs {error.name}: pip install 'irg-experiments[{tracker}]'.") from error
    return store


def _write(store: Tracker, experiment: Any, directory: Path, record: dict[str, Any]) -> bool:
    run = tracked(directory, record, experiment.history(directory))
    if store.has(run):
        return False
    figures = sorted((directory / "figures").glob("*.png"))
    with tempfile.TemporaryDirectory() as folder:
        store.write(run, figures or draw(Path(folder), experiment.figures(directory, record)))
    return True


def add_to_tensorboard(experiment: Any, directory: Path, record: dict[str, Any]) -> None:
    """Adds config, final metrics and figures to the scalars of a finished run, if there are any.

    Whatever goes wrong is one line of log.
    """
    folder = directory / "tensorboard"
    if not folder.is_dir():
        return
    try:
        from irg_experiments.results.export.tensorboard import describe

        run = tracked(directory, record, experiment.history(directory))
        describe(folder, run, sorted((directory / "figures").glob("*.png")))
    except Exception as error:  # never worth a run
        log.warning("%s could not be completed (%s: %s).", folder, type(error).__name__, error)
