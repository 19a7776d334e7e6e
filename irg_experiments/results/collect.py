"""Records below folders, whatever version of the package wrote them, and the experiments that can read them."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.config.components import Component, find
from irg_experiments.config.identity import identity
from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.validation import shown, validate
from irg_experiments.errors import UserError
from irg_experiments.results.record import RECORD, Record, read_record
from irg_experiments.results.schema import SCHEMA_VERSION, check_fields, check_version
from irg_experiments.results.table import Table

log = logging.getLogger(__name__)

# a run that rerun=true has moved aside while its successor computes
REPLACED = ".replaced"

# what an experiment is asked for besides its config
ASKED = ("tables", "excerpts", "history", "figures", "comparisons", "upgraded")

# the directory and the record
Run = tuple[Path, Record]


def collect(paths: Sequence[Path]) -> list[Run]:
    """The run directories below the paths with their records, each once, those of earlier versions in today's form.

    What cannot be read is named in the log and left out.

    Args:
        paths: folders, or records.

    Raises:
        UserError: a path does not exist, or there is no record, or none that can be read.
    """
    require_records(paths)
    found = list(runs_below(paths))
    if not found:
        raise UserError(f"No {RECORD} below {', '.join(map(str, paths))} can be read.")
    return found


def require_records(paths: Sequence[Path]) -> None:
    """Raises UserError if a path does not exist, or there is no record below any of them."""
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist. Name a folder of runs, such as outputs.")
    if not run_directories(paths):
        what = f"{RECORD} below {', '.join(map(str, paths))}"
        raise UserError(f"No {what}. Run an experiment first (irg-run --help), or name another folder.")


def runs_below(paths: Sequence[Path]) -> Iterator[Run]:
    """What ``collect`` returns, perhaps nothing."""
    for directory in run_directories(paths):
        if (record := load_record(directory)) is not None:
            yield directory, record


def run_directories(paths: Sequence[Path]) -> list[Path]:
    """The folders below the paths that hold something named like a record, each once, but for runs that were moved aside."""
    return [Path(folder) for folder in sorted({folder for path in paths for folder in _run_directories(path.resolve())})]


def _run_directories(path: Path) -> Iterator[str]:
    if path.is_file():
        yield str(path.parent)
    for folder, folders, files in os.walk(path):  # three times as fast as Path.rglob
        if RECORD in files or RECORD in folders:
            yield folder
        folders[:] = [name for name in folders if not name.endswith(REPLACED)]


def load_record(directory: Path) -> Record | None:
    """The record of a run directory in today's form; None, with a line of log, if it cannot be read."""
    try:
        return checked(read_record(directory))
    except Exception as error:  # bringing a damaged record to today's form can fail in any way
        reason = str(error) if isinstance(error, UserError) else f"{_in_words(error)}."
        log.warning("%s is left out: %s", directory / RECORD, reason)
        return None


def checked(record: Record | None) -> Record:
    """What ``read_record`` returned in today's form; raises UserError or, for a damaged one, any exception."""
    if record is None:
        raise UserError("it is no record of a run.")
    check_version(record)
    current = record if record["schema_version"] == SCHEMA_VERSION else upgraded(record)
    check_fields(current)
    return current


def experiment_of(record: Record) -> Any:
    """The experiment's class, which makes tables and figures of its records.

    Raises:
        UserError: it cannot be imported, or makes no tables.
    """
    named = {"_target_": record["config"]["_target_"], "name": record["experiment"]}
    cls = find(validate(Component, named, "config"), "config")
    if not (isinstance(cls, type) and all(hasattr(cls, name) for name in ASKED)):
        raise UserError(f"config._target_ {shown(named['_target_'])} is no experiment.")
    return cls


def upgraded(record: Record) -> Record:
    """A record of schema 1, whose options had names in place of targets, in today's form."""
    config = {**record["config"], "_target_": ConfigTree().load("experiment", record["experiment"])["_target_"]}
    for section in ("model", "method", "latent", "data"):
        if section in config:
            config[section] = _with_target(section, config[section])
    if config.get("method", ...) is None:
        del config["method"]
    new = {"non_finite": {}, "machine": {}, "compile": None, "earlier_code": [], **record, "config": config}
    experiment = experiment_of(new)
    new = experiment.upgraded({**new, "schema_version": SCHEMA_VERSION})
    typed = validate(experiment.Config, new["config"])
    return {**new, "identity": identity(typed), "group": identity(typed, seed=False)}


def _with_target(group: str, options: dict[str, Any]) -> dict[str, Any] | None:
    """An option in today's form; None for the pseudo-method that stood for a comparison of all methods."""
    tree = ConfigTree()
    if options["name"] not in tree.choices(group):
        return None
    options = {"_target_": tree.load(group, options["name"])["_target_"], **options}
    if "concentration_range" in options:
        options["limits"] = options.pop("concentration_range")
    options.pop("family", None)
    recommended = {name: options.pop(name) for name in ("compare", "topics") if name in options and group in ("latent", "data")}
    return {**options, "recommended": recommended} if recommended else options


def by_experiment(finished: Sequence[Run]) -> Iterator[tuple[Any, list[Run]]]:
    """The experiments' classes, each with its runs; an experiment that cannot be imported is named and left out."""
    targets = dict.fromkeys(record["config"]["_target_"] for _, record in finished)
    for target in targets:
        runs = [run for run in finished if run[1]["config"]["_target_"] == target]
        try:
            yield experiment_of(runs[0][1]), runs
        except UserError as error:
            log.warning("%s left out: %s", "1 run is" if len(runs) == 1 else f"{len(runs)} runs are", error)


def tables_of(make: Callable[[list[Record]], Iterable[Table]], runs: Sequence[Run]) -> list[Table]:
    """The tables that have rows. Records that none can be made of are named in the log and left out.

    Args:
        make: tables from records.
        runs: of one experiment.
    """
    try:
        return _with_rows(make, runs)
    except Exception:  # whatever a record may lack that this experiment asks for
        kept = [run for run in runs if _can_be_shown(make, run)]
    try:
        return _with_rows(make, kept) if kept else []
    except Exception as error:
        log.warning("The tables of %s could not be made (%s).", runs[0][1]["experiment"], _in_words(error))
        return []


def _with_rows(make: Callable[[list[Record]], Iterable[Table]], runs: Sequence[Run]) -> list[Table]:
    return [table for table in make([record for _, record in runs]) if table.rows]


def _can_be_shown(make: Callable[[list[Record]], Iterable[Table]], run: Run) -> bool:
    try:
        _with_rows(make, [run])
    except Exception as error:
        log.warning("%s is left out: no table can be made of it (%s).", run[0] / RECORD, _in_words(error))
        return False
    return True


def _in_words(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
