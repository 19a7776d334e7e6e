"""Runs of Weights & Biases, offline: nothing leaves this machine until ``wandb sync``."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import wandb

from irg_experiments.results.export.base import TrackedRun, Tracker

PROJECT = "irg-experiments"
# an empty file in the folder of a run of which everything is written
WHOLE = "complete"


class WandB(Tracker):
    """One W&B run per run, in the group of its configuration."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.shown_by = f"Upload them by: wandb sync {folder / 'wandb' / 'offline-run-*'}"

    def has(self, run: TrackedRun) -> bool:
        """See ``Tracker``."""
        return any((folder / WHOLE).is_file() for folder in self._folders(run))

    def write(self, run: TrackedRun, figures: Sequence[Path]) -> None:
        """See ``Tracker``."""
        for begun in self._folders(run):
            shutil.rmtree(begun)
        record = run.record
        config = {**record["config"], "irg": run.tags}
        settings = wandb.Settings(console="off", silent=True, x_disable_stats=True, x_save_requirements=False, disable_git=True)
        with wandb.init(
            project=PROJECT,
            group=f"{record['experiment']}-{record['group']}",
            name=run.name,
            id=_id(run),
            job_type=record["experiment"],
            config=config,
            dir=str(self._folder),
            mode="offline",
            settings=settings,
        ) as opened:
            for row in run.history:
                opened.log({name: value for name, value in row.items() if name != "step"}, step=row["step"])
            opened.log({f"figures/{figure.stem}": wandb.Image(str(figure)) for figure in figures})
            opened.summary.update(dict(run.metrics))
        for folder in self._folders(run):
            (folder / WHOLE).touch()

    def _folders(self, run: TrackedRun) -> list[Path]:
        return list(self._folder.glob(f"wandb/offline-run-*-{_id(run)}"))


def _id(run: TrackedRun) -> str:
    return hashlib.sha256(run.key.encode()).hexdigest()[:12]
