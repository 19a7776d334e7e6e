"""What trackers are told of a run, and what a tracker is."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irg_experiments.results.record import Record
from irg_experiments.results.schema import leaves


@dataclass(frozen=True)
class TrackedRun:
    """A finished run.

    Attributes:
        name: of its folder, which people can read.
        key: differs from that of every other run, and of another run of the same configuration and seed.
        record: of the run.
        options: its config, keys as dotted paths; lists as text.
        metrics: that are finite numbers, by their names joined by dots.
        history: metrics over time, see ``Experiment.history``.
    """

    name: str
    key: str
    record: Record
    options: Mapping[str, Any]
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, Any]]

    @property
    def tags(self) -> dict[str, str]:
        """What identifies the run and repeats it."""
        told = {
            name: self.record[name] for name in ("command", "identity", "group", "git_commit", "device", "started", "budget")
        }
        versions = {f"version.{name}": version for name, version in self.record["versions"].items()}
        return {name: str(value) for name, value in {**told, **versions}.items() if value is not None}


def tracked(directory: Path, record: Record, history: Sequence[Mapping[str, Any]]) -> TrackedRun:
    """What trackers are told of the run of a directory."""
    finite = {name: float(value) for name, value in leaves(record["metrics"]) if value is not None}
    key = f"{record['identity']}-{record['started']}"
    return TrackedRun(directory.name, key, record, dict(leaves(record["config"])), finite, history)


class Tracker(abc.ABC):
    """A store of runs in a folder. The module of a subclass imports the tracker's library, which may be missing.

    Attributes:
        shown_by: the command that shows the store, in a sentence.
    """

    shown_by: str

    @abc.abstractmethod
    def __init__(self, folder: Path) -> None:
        """Opens the store, or makes it."""

    @abc.abstractmethod
    def has(self, run: TrackedRun) -> bool:
        """Whether the whole run is in the store."""

    @abc.abstractmethod
    def write(self, run: TrackedRun, figures: Sequence[Path]) -> None:
        """Writes a run that is not there yet, in place of what an interrupted export left of it.

        Args:
            run: to write.
            figures: PNG files.
        """
