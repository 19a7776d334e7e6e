"""Records below folders, whatever version of the package wrote them, and the experiments that can read them."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.config.components import Component, find
from irg_experiments.config.identity import identity
from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.validation import validate
from irg_experiments.errors import UserError
from irg_experiments.results.record import RECORD, SCHEMA_VERSION, Record, read_record

log = logging.getLogger(__name__)

# a run that rerun=true has moved aside while its successor computes
REPLACED = ".replaced"


def collect(paths: Sequence[Path]) -> list[tuple[Path, Record]]:
    """The run directories below the paths with their records, each once, those of earlier versions in today's form.

    What cannot be read is named in the log and left out.

    Raises:
        UserError: there is no record at all.
    """
    files = sorted({file.resolve() for path in paths for file in path.rglob(RECORD)})
    files = [file for file in files if not any(parent.name.endswith(REPLACED) for parent in file.parents)]
    found = [(file.parent, record) for file in files if (record := load_record(file.parent)) is not None]
    if not found:
        places = ", ".join(map(str, paths))
        raise UserError(f"No {RECORD} below {places}. Run an experiment first (irg-run --help), or name another folder.")
    return found


def load_record(directory: Path) -> Record | None:
    """The record of a run directory in today's form; None, with a line of log, if it cannot be read."""
    record = read_record(directory)
    version = record.get("schema_version") if record else None
    if record is None or not isinstance(version, int) or version < 1:
        log.warning("%s is no record of a run; it is left out.", directory / RECORD)
        return None
    if version > SCHEMA_VERSION:
        log.warning("%s was written by a newer version of irg-experiments; it is left out.", directory / RECORD)
        return None
    try:
        return record if version == SCHEMA_VERSION else upgraded(record)
    except (UserError, LookupError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read (%s: %s); it is left out.", directory / RECORD, type(error).__name__, error)
        return None


def experiment_of(record: Record) -> Any:
    """The experiment's class, which makes tables and figures of its records.

    Raises:
        UserError: it cannot be imported.
    """
    named = {"_target_": record["config"]["_target_"], "name": record["experiment"]}
    return find(Component.model_validate(named), "experiment")


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


def by_experiment(found: Sequence[tuple[Path, Record]]) -> Iterator[tuple[Any, list[tuple[Path, Record]]]]:
    """The experiments' classes, each with its finished runs; an experiment that cannot be imported is named and left out."""
    targets = dict.fromkeys(record["config"]["_target_"] for _, record in found)
    for target in targets:
        runs = [run for run in found if run[1]["config"]["_target_"] == target and run[1]["status"] == "done"]
        if not runs:
            continue
        try:
            yield experiment_of(runs[0][1]), runs
        except UserError as error:
            log.warning("%d runs are left out: %s", len(runs), error)
