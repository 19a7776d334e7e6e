"""How long sweeps take on this machine, by short runs: ``python -m irg_experiments.sweeps.estimate lda_table``.

One run of each experiment, model and data set is timed, and its time scaled by the work of the others, such as training steps.
Nothing is compiled in the timed runs, and other methods of the same model are taken to be as fast: the figures are rough, and
mostly too long.
"""

import contextlib
import dataclasses
import io
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from irg_experiments.config.command_line import Arguments, parse
from irg_experiments.config.sweeps import each_row, key_of
from irg_experiments.errors import UserError
from irg_experiments.results.console import prepare_logging
from irg_experiments.results.record import read_record
from irg_experiments.results.table import Table, print_table
from irg_experiments.sweeps.launch import Launcher
from irg_experiments.sweeps.monitor import in_words
from irg_experiments.sweeps.plan import Run, planned
from irg_experiments.sweeps.sweep import perform

Kind = tuple[str, ...]


def main(names: Sequence[str]) -> None:
    """Prints a table of sweeps with the time that their unfinished runs take, one at a time."""
    rows = {name: list(each_row(parse(["-m", f"+sweep={name}"]))) for name in names}
    sweeps = {name: [run for run in planned(of_sweep) if not run.is_finished()] for name, of_sweep in rows.items()}
    samples = {kind_of(run): run for runs in reversed(sweeps.values()) for run in reversed(runs)}
    with tempfile.TemporaryDirectory(prefix="irg-estimate-") as folder:
        speeds = {kind: seconds_per_work(run, Path(folder)) for kind, run in samples.items()}
    print_table(table(sweeps, speeds))


def kind_of(run: Run) -> Kind:
    """Runs of the same kind are taken to be equally fast."""
    sections = (getattr(run.settings, section, None) for section in ("model", "data"))
    return run.settings.experiment, *(section.name for section in sections if section is not None)


def seconds_per_work(run: Run, folder: Path) -> float | None:
    """Seconds per unit of work of a run's kind; None, with a line of log, if it cannot run here.

    Args:
        run: as in its sweep.
        folder: for the timed runs.
    """
    long = _timed(run, run.settings.pilot, folder)
    if long is None:
        return None
    if long.steps_per_second is not None:
        return 1 / long.steps_per_second
    short = _timed(run, (), folder)  # what both take besides, such as setting up, does not grow with the work
    return max(long.seconds - short.seconds, 1e-3) / (long.work - short.work) if short and short.work < long.work else None


@dataclasses.dataclass(frozen=True)
class _Timed:
    work: float
    seconds: float
    steps_per_second: float | None


def _timed(run: Run, words: Sequence[str], folder: Path) -> _Timed | None:
    changed = ("budget=smoke", "rerun=true", f"output={folder}", *words)
    kept = [word for word in run.words if key_of(word) not in {key_of(it) for it in changed}]
    arguments = Arguments((*kept, *changed), sweep=True)
    try:
        (pilot,) = planned([arguments])
        with contextlib.redirect_stdout(io.StringIO()):
            (outcome,) = perform([pilot], Launcher((), arguments.tree))
    except UserError as error:
        print(f"{run.name} is left out: {error}", file=sys.stderr)
        return None
    record = read_record(pilot.directory)
    if outcome.status != "done" or record is None:
        print(f"{run.name} is left out: {outcome.error}", file=sys.stderr)
        return None
    return _Timed(pilot.settings.work(), record["wall_seconds"], record["steps_per_second"])


def table(sweeps: dict[str, list[Run]], speeds: dict[Kind, float | None]) -> Table:
    """A row per sweep and one for all: runs to do, those without an estimate, and the time of the others."""
    rows, everything = [], 0.0
    for name, runs in sweeps.items():
        known = [(run, speed) for run in runs if (speed := speeds[kind_of(run)]) is not None]
        seconds = sum(run.settings.work() * speed for run, speed in known)
        everything += seconds
        rows.append([name, str(len(runs)), str(len(runs) - len(known)), in_words(seconds)])
    rows.append(["all", *(str(sum(int(row[column]) for row in rows)) for column in (1, 2)), in_words(everything)])
    title = "About how long the unfinished runs take on this machine, one at a time"
    return Table("estimate", title, ["sweep", "runs", "without estimate", "time"], rows)


if __name__ == "__main__":
    prepare_logging()
    logging.getLogger("irg_experiments").setLevel(logging.WARNING)
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
