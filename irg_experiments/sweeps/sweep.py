"""A sweep: its runs, what became of each, and the exit code of all."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from irg_experiments.config.command_line import Arguments
from irg_experiments.errors import UserError
from irg_experiments.experiments.runner import TRACEBACK
from irg_experiments.results.collect import by_experiment, load_record, tables_of
from irg_experiments.results.console import forgiving_output
from irg_experiments.results.table import Table, print_table, wrapped
from irg_experiments.sweeps.job import Job
from irg_experiments.sweeps.launch import Launcher
from irg_experiments.sweeps.monitor import Monitor
from irg_experiments.sweeps.plan import Run, is_of_hydra, planned
from irg_experiments.sweeps.states import Watch
from irg_experiments.training import interruption

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        run: of the sweep.
        status: "done", "refused", or what else its record says, such as "failed".
        error: why it is not done.
    """

    run: Run
    status: str = "done"
    error: str = ""


def run_sweep(rows: Sequence[Arguments]) -> int:
    """Runs all rows of a sweep, and prints what it found in one table; a run that fails stops no other.

    Returns:
        The exit code: 1 if a run failed, else 2 if one was refused, else 0.

    Raises:
        UserError: the config of a run cannot be, or the launcher; nothing was run.
    """
    launcher = launcher_of(rows[0])
    outcomes = perform(planned(rows), launcher)
    compare(outcomes)
    return report(outcomes)


def launcher_of(row: Arguments) -> Launcher:
    """The launcher of a sweep, by the words of one of its rows.

    Raises:
        UserError: it is not installed.
    """
    launcher = Launcher(tuple(word for word in row.overrides if is_of_hydra(word)), row.tree)
    launcher.check()
    return launcher


def perform(runs: Sequence[Run], launcher: Launcher) -> list[Outcome]:
    """Runs those that are not finished; an interrupted one goes on where it was.

    Raises:
        UserError: the launcher cannot be set up.
    """
    unfinished = [run for run in runs if not run.is_finished()]
    if len(unfinished) < len(runs):
        log.info(
            "%d of %d runs are done already: irg-report shows them, rerun=true repeats them.",
            len(runs) - len(unfinished),
            len(runs),
        )
    launched = _launched(unfinished, launcher) if unfinished else []
    outcomes = {outcome.run.directory: outcome for outcome in launched}
    return [outcomes.get(run.directory, Outcome(run)) for run in runs]


def _launched(runs: Sequence[Run], launcher: Launcher) -> list[Outcome]:
    monitor = Monitor(runs)
    job = Job(launcher.tree, quiet=monitor.is_live)
    try:
        with interruption.raised(), monitor:  # also between two runs
            raised = launcher.launch(runs, job)
    except UserError:
        raise
    except Exception as error:  # such as that of a process that was killed: the records tell which runs are done
        return [_by_record(watch, f"The launcher stopped ({type(error).__name__}: {error}).") for watch in monitor.watches]
    return [_by_error(run, error) for run, error in zip(runs, raised, strict=True)]


def _by_error(run: Run, error: Exception | None) -> Outcome:
    if error is None or (isinstance(error, UserError) and run.is_finished()):  # by another process, which held its directory
        return Outcome(run)
    return Outcome(run, "refused" if isinstance(error, UserError) else "failed", str(error))


def _by_record(watch: Watch, why: str) -> Outcome:
    """By what the run wrote while the launcher was there: what an earlier sweep left tells nothing about this one."""
    record = watch.record() or {"status": "not begun"}
    status = str(record["status"])
    return Outcome(watch.run) if status == "done" else Outcome(watch.run, status, str(record.get("error") or why))


def compare(outcomes: Sequence[Outcome]) -> None:
    """Prints the first table of each experiment over the finished runs, where there are several."""
    records = [(it.run.directory, load_record(it.run.directory)) for it in outcomes if it.run.is_finished()]
    runs = [(directory, record) for directory, record in records if record is not None]
    if len(runs) > 1:
        with forgiving_output():
            for experiment, group in by_experiment(runs):
                for table in tables_of(experiment.tables, group)[:1]:
                    print_table(table)


def report(outcomes: Sequence[Outcome]) -> int:
    """Prints a table of the runs that are not done, and returns the exit code of all."""
    missing = [outcome for outcome in outcomes if outcome.status != "done"]
    if missing:
        rows = [[it.run.name, it.status, " ".join(it.error.split()), _traceback(it)] for it in missing]
        title = f"{len(missing)} of {len(outcomes)} runs are not done; the same command repeats them, but for those it refuses"
        table = Table("missing", title, ["run", "status", "error", "traceback"], rows, labels=4)
        width = Console(stderr=True).width if sys.stderr.isatty() else 10_000
        print(wrapped(table, width), end="", file=sys.stderr)
    statuses = {outcome.status for outcome in missing}
    return (1 if statuses - {"refused"} else 2) if missing else 0


def _traceback(outcome: Outcome) -> str:
    path: Path = outcome.run.directory / TRACEBACK
    return str(path) if outcome.status == "failed" and path.exists() else "–"
