"""What every experiment shares: its directory, its record, its seed, and what happens when it is repeated, resumed or fails."""

import dataclasses
import functools
import logging
import os
import shlex
import shutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from irg_experiments.config.command_line import resolved
from irg_experiments.config.components import Component, check_options, find
from irg_experiments.config.identity import identity
from irg_experiments.config.sources import sources
from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.validation import validate
from irg_experiments.errors import DivergedError, RunFailedError, UserError
from irg_experiments.experiments.protocol import Experiment, ExperimentConfig
from irg_experiments.results.collect import REPLACED, load_record
from irg_experiments.results.console import forgiving_output
from irg_experiments.results.drawing import draw
from irg_experiments.results.export import add_to_tensorboard
from irg_experiments.results.record import (
    RECORD,
    Record,
    code_of,
    finished_record,
    git_commit,
    new_record,
    versions,
    write_record,
)
from irg_experiments.results.table import print_table
from irg_experiments.training import distributed
from irg_experiments.training.files import has_checkpoint

log = logging.getLogger(__name__)

TRACEBACK = "traceback.txt"


def run_experiment(config: DictConfig, overrides: Sequence[str], tree: ConfigTree | None = None) -> Path:
    """Runs the experiment of a composed config, unless its directory holds the finished run already, and shows it.

    Args:
        config: as Hydra composed it.
        overrides: the command-line overrides that made it, for the record.
        tree: the option files; the package's alone when None.

    Returns:
        The run directory.

    Raises:
        UserError: the config asks for something that cannot be had.
        DivergedError: the loss became NaN or infinite; the record says so.
        RunFailedError: anything else went wrong; the traceback is in the directory.
    """
    experiment = make_experiment(resolved(config), tree or ConfigTree())
    settings: ExperimentConfig = experiment.config
    directory = run_directory(settings)
    earlier, resumable = distributed.from_first(lambda: _earlier(directory, settings.rerun))
    made_of = sources(settings.model_dump(mode="json", by_alias=True))
    if earlier is not None and earlier["status"] == "done" and not settings.rerun:
        log.info("%s is done already%s; rerun=true runs it once more.", directory, _made_by_other_code(earlier, made_of))
        if distributed.is_first():
            show(type(experiment), directory)
        return directory
    resumed = earlier if earlier is not None and not settings.rerun and resumable else None
    device, compiled = _set_up_torch(settings, resumed)
    with distributed.first_alone():
        _prepare(experiment, device, compiled == "on")
    if not distributed.is_first():
        experiment.run(directory)
        return directory
    line = command(overrides, tree or ConfigTree())
    record = _fresh_record(settings, config, line, str(device), compiled, made_of)
    if settings.rerun:  # only now, when everything that could refuse to run has been set up
        _move_aside(directory, earlier)
    _run_recorded(experiment, directory, record, resumed)
    _remove_replaced(directory)
    show(type(experiment), directory)
    if (done := load_record(directory)) is not None:
        add_to_tensorboard(type(experiment), directory, done)
    return directory


def _fresh_record(
    settings: ExperimentConfig, config: DictConfig, line: str, device: str, compiled: str, made_of: dict[str, str]
) -> Record:
    names = identity(settings), identity(settings, seed=False)
    record = new_record(recorded_config(settings, config), *names, line, device, compiled, made_of)
    if distributed.size() > 1:
        record["machine"]["processes"] = distributed.size()
    return record


def _earlier(directory: Path, rerun: bool) -> tuple[Record | None, bool]:
    """The record of an earlier run in the directory, and whether there is a checkpoint.

    A record that cannot be read is never overwritten without being asked.
    """
    if not os.path.exists(directory / RECORD):  # unlike Path.exists, False for a name that is too long
        return None, False
    record = load_record(directory)
    if record is None and not rerun:
        raise UserError(f"{directory} holds a record that cannot be read. Move it away, or repeat the run by rerun=true.")
    return record, has_checkpoint(directory)


def make_experiment(plain: dict[str, Any], tree: ConfigTree) -> Experiment:
    """The experiment that a resolved config describes, with its config checked.

    Raises:
        UserError: a value cannot be.
    """
    if not isinstance(plain.get("experiment"), str) or not isinstance(plain.get("_target_"), str):
        raise UserError(f"No experiment is chosen. Choose experiment={' or '.join(tree.choices('experiment'))}.")
    named = validate(Component, {"_target_": plain["_target_"], "name": plain["experiment"]}, "experiment")
    cls = find(named, "experiment")
    if not (isinstance(cls, type) and issubclass(cls, Experiment)):
        raise UserError(f"_target_ '{plain['_target_']}' is no experiment: it must be a subclass of Experiment.")
    settings = validate(cls.Config, plain, tree=tree)
    check_options(settings)
    if not cls.parallel:
        distributed.require_one_process(f"experiment={settings.experiment}")
    return cls(settings, tree)


def show(experiment: type[Experiment], directory: Path) -> None:
    """Draws the figures that are missing, and prints the tables of a finished run and the paths of all its figures."""
    record = load_record(directory)
    if record is None:
        return
    for name, value in record["non_finite"].items():
        log.warning("%s is %s; the record has null in its place.", name, value)
    paths = draw(directory, experiment.figures(directory, record))
    try:
        tables = experiment.summary(directory, record)
    except Exception as error:  # files of the run that are missing or damaged
        log.warning("The tables of %s could not be made (%s: %s).", directory, type(error).__name__, error)
        tables = []
    with forgiving_output():
        for table in tables:
            print_table(table)
        for path in paths:
            print(path)


def run_directory(settings: ExperimentConfig) -> Path:
    """Where a run belongs: a readable name, and a hash of everything that can change the result."""
    parts = (*settings.labels(), settings.budget, f"seed{settings.seed}", identity(settings))
    return Path(settings.output) / settings.experiment / "-".join(parts)


def recorded_config(settings: ExperimentConfig, config: DictConfig) -> dict[str, Any]:
    """The checked config for the record, with the data root as it was written: a path of one machine helps no other."""
    recorded = settings.model_dump(mode="json", by_alias=True)
    if recorded.get("data"):
        as_written: Any = OmegaConf.to_container(config.data)
        recorded["data"]["root"] = as_written["root"]
    return recorded


def command(overrides: Sequence[str], tree: ConfigTree) -> str:
    """The command line that gives this run, without where it writes and where data are."""
    folders = [word for folder in tree.extra for word in ("--config-dir", os.path.relpath(folder))]
    kept = [item for item in overrides if not item.startswith(("output=", "rerun=", "profile=", "data.root=", "hydra."))]
    return shlex.join(["irg-run", *folders, *kept])


def _set_up_torch(settings: ExperimentConfig, resumed: Record | None) -> tuple[Any, str]:
    """The device, and whether code is compiled, "on" or "off": a run that is resumed keeps what it began with."""
    import torch

    from irg_experiments import implicit
    from irg_experiments.implicit.compilation import resolve_mode
    from irg_experiments.training.device import resolve_device

    device = resolve_device(settings.device)
    _default_threads()
    torch.set_num_threads(settings.threads or _default_threads())
    before = resumed["compile"] if resumed else None
    compiled = resolve_mode(before or settings.compile, device)
    if before is not None and compiled != before:
        log.warning("The run began with compile=%s, which this machine cannot: results may differ by rounding.", before)
    implicit.set_compile(compiled)
    torch.manual_seed(settings.seed)
    return device, compiled


def _prepare(experiment: Experiment, device: Any, compiled: bool) -> None:
    try:
        experiment.prepare(device, compiled)
    except UserError:
        raise
    except Exception as error:  # whatever a class of the user may raise
        raise RunFailedError(
            f"Setting up the run failed ({type(error).__name__}: {error}). IRG_FULL_ERROR=1 shows the traceback."
        ) from error


@functools.cache
def _default_threads() -> int:
    """What torch chose in this process, which an earlier run of a sweep may have changed since."""
    import torch

    return torch.get_num_threads()


def _run_recorded(experiment: Experiment, directory: Path, record: Record, resumed: Record | None) -> None:
    log.info("Run directory: %s", directory)
    if resumed is not None:
        record = {**record, "started": resumed["started"], "earlier_code": _earlier_code(resumed, record["sources"])}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(record["config"])), encoding="utf-8")
        write_record(directory, record)
    except OSError as error:
        raise UserError(f"{directory} cannot be written ({error.strerror}). Choose another folder by output=…") from error
    try:
        result = dataclasses.asdict(experiment.run(directory))
        rounded = {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in result.items()}
        done = finished_record(record, **{**rounded, "versions": {**record["versions"], **result["versions"]}})
    except Exception as error:
        write_record(directory, {**record, "status": "failed", "error": f"{type(error).__name__}: {error}"})
        if (aside := directory.with_name(directory.name + REPLACED)).exists():
            log.warning("The earlier finished run is in %s.", aside)
        if isinstance(error, UserError | DivergedError):
            raise
        (directory / TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8")
        raise RunFailedError(f"{type(error).__name__}: {error}. The traceback is in {directory / TRACEBACK}.") from error
    write_record(directory, done)
    try:
        experiment.save(directory)
    except Exception as error:  # costs pictures, never metrics
        log.warning("What the figures need could not be saved (%s: %s).", type(error).__name__, error)


def _earlier_code(resumed: Record, made_of: dict[str, str]) -> list[str]:
    """The code that began a run, where other code goes on with it."""
    before, now = _differing_code(resumed, made_of)
    return list(dict.fromkeys([*resumed["earlier_code"], *([before] if before != now else [])]))


def _made_by_other_code(earlier: Record, made_of: dict[str, str]) -> str:
    before, now = _differing_code(earlier, made_of)
    return "" if before == now else f", by other code ({before}, this is {now})"


def _differing_code(earlier: Record, made_of: dict[str, str]) -> tuple[str, str]:
    """The code of a record and today's in words, without what they share; classes of which the record says nothing are shared.

    Args:
        earlier: the record.
        made_of: today's source files, see ``sources``.
    """
    recorded = {target: digest for target, digest in earlier.get("sources", {}).items() if target in made_of}
    before = [code_of(earlier), *(f"{target} {digest}" for target, digest in recorded.items())]
    now = [
        code_of({"git_commit": git_commit(), "versions": versions()}),
        *(f"{target} {made_of[target]}" for target in recorded),
    ]
    differing = [pair for pair in zip(before, now, strict=True) if pair[0] != pair[1]]
    return ", ".join(old for old, _ in differing), ", ".join(new for _, new in differing)


def _move_aside(directory: Path, earlier: Record | None) -> None:
    """Keeps a finished run until its successor is done; what was left of an unfinished one is removed."""
    aside = directory.with_name(directory.name + REPLACED)
    try:
        if not os.path.lexists(directory):
            return
        if (earlier is None and (directory / RECORD).exists()) or (earlier is not None and earlier["status"] == "done"):
            _remove(aside)
            directory.rename(aside)
        else:
            _remove(directory)
    except OSError as error:
        raise UserError(f"{directory} cannot be moved aside ({error.strerror}). Nothing was run.") from error


def _remove_replaced(directory: Path) -> None:
    aside = directory.with_name(directory.name + REPLACED)
    try:
        _remove(aside)
    except OSError as error:
        log.warning("%s could not be removed (%s).", aside, error.strerror)


def _remove(path: Path) -> None:
    """Removes a folder, or the link to one."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
