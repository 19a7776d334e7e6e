"""What every experiment shares: its directory, its record, its seed, and what happens when it is repeated, resumed or fails."""

import contextlib
import dataclasses
import functools
import logging
import os
import shlex
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from irg_experiments.config.command_line import resolved
from irg_experiments.config.components import Component, check_options, find
from irg_experiments.config.identity import identity
from irg_experiments.config.sources import sources
from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.validation import validate
from irg_experiments.errors import DivergedError, LeaseLostError, RunFailedError, UserError
from irg_experiments.experiments.earlier import (
    code_before,
    earlier_record,
    finished,
    made_by_other_code,
    make_way,
    remove_replaced,
    replaced,
)
from irg_experiments.experiments.lease import Lease, leased, unwritable
from irg_experiments.experiments.protocol import Experiment, ExperimentConfig
from irg_experiments.files import write_text
from irg_experiments.results.collect import load_record
from irg_experiments.results.console import forgiving_output
from irg_experiments.results.drawing import draw
from irg_experiments.results.export import add_to_tensorboard
from irg_experiments.results.record import RECORD, Record, finished_record, new_record, write_record
from irg_experiments.results.table import print_table
from irg_experiments.training import distributed, interruption
from irg_experiments.training.files import has_checkpoint, writing

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
        UserError: the config asks for something that cannot be had, or another process runs in the directory.
        DivergedError: the loss became NaN or infinite; the record says so.
        RunFailedError: anything else went wrong; the traceback is in the directory.
        LeaseLostError: another process took over the directory.
        Interrupted: a signal asked the process to end; the record says so.
    """
    experiment = make_experiment(resolved(config), tree or ConfigTree())
    settings: ExperimentConfig = experiment.config
    directory = run_directory(settings)
    made_of = sources(settings.model_dump(mode="json", by_alias=True))
    fresh = False
    if not _is_done(settings, directory, made_of):
        with interruption.raised(), _alone_in(directory) as lease:
            # asked again: the process that held the lease may have finished the run
            if not _is_done(settings, directory, made_of):
                line = command(overrides, tree or ConfigTree())
                _run(experiment, directory, lease, partial(_fresh_record, settings, config, line, made_of))
                fresh = True
    if distributed.is_first():  # without the lease: a kill while figures are drawn leaves nothing behind
        show(type(experiment), directory)
        if fresh and (done := load_record(directory)) is not None:
            add_to_tensorboard(type(experiment), directory, done)
    return directory


def _is_done(settings: ExperimentConfig, directory: Path, made_of: dict[str, str]) -> bool:
    earlier = None if settings.rerun else distributed.from_first(lambda: finished(directory))
    if earlier is not None:
        log.info("%s is done already%s; rerun=true runs it once more.", directory, made_by_other_code(earlier, made_of))
        if getattr(settings, "profile", False):
            log.warning("profile=true traced nothing: add rerun=true.")
    return earlier is not None


@contextlib.contextmanager
def _alone_in(directory: Path) -> Iterator[Lease | None]:
    """The first process holds the lease of the directory, for all that torchrun started."""
    with leased(directory) if distributed.is_first() else contextlib.nullcontext() as lease:
        yield lease


def _run(experiment: Experiment, directory: Path, lease: Lease | None, fresh_record: Callable[[str, str], Record]) -> None:
    settings: ExperimentConfig = experiment.config
    earlier, resumable = distributed.from_first(lambda: (earlier_record(directory, settings.rerun), has_checkpoint(directory)))
    resumed = earlier if resumable and not settings.rerun else None
    device, compiled = _set_up_torch(settings, resumed)
    with distributed.first_alone():
        _prepare(experiment, device, compiled == "on")
    if lease is None:
        experiment.run(directory)
        return
    record = fresh_record(str(device), compiled)
    if settings.rerun:  # only now, when everything that could refuse to run has been set up
        make_way(directory, earlier)
    if resumed is not None:
        code = code_before(resumed, record["sources"])
        record = {**record, "started": resumed["started"], "earlier_code": code}
    _run_recorded(experiment, directory, lease, record)
    remove_replaced(directory)


def _fresh_record(
    settings: ExperimentConfig, config: DictConfig, line: str, made_of: dict[str, str], device: str, compiled: str
) -> Record:
    names = identity(settings), identity(settings, seed=False)
    record = new_record(recorded_config(settings, config), *names, line, device, compiled, made_of)
    if distributed.size() > 1:
        record["machine"]["processes"] = distributed.size()
    return record


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


def _run_recorded(experiment: Experiment, directory: Path, lease: Lease, record: Record) -> None:
    log.info("Run directory: %s", directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(record["config"])))
        write_record(directory, record)
        (directory / TRACEBACK).unlink(missing_ok=True)  # of an earlier attempt
    except OSError as error:
        raise UserError(unwritable(directory, error)) from error
    recorder = _Recorder(directory, lease, record)
    try:
        result = dataclasses.asdict(experiment.run(directory))
        rounded = {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in result.items()}
        done = finished_record(record, **{**rounded, "versions": {**record["versions"], **result["versions"]}})
        recorder.write({**done, "status": "running"})  # metrics are on disk before what figures need is computed
        _save(experiment, directory)
        recorder.write(done)
    except LeaseLostError:  # the record is another process's now
        raise
    except KeyboardInterrupt:
        recorder.end("interrupted")
        raise
    except Exception as error:
        recorder.end("failed", f"{type(error).__name__}: {error}")
        if replaced(directory).exists():
            log.warning("The earlier finished run is in %s.", replaced(directory))
        if isinstance(error, UserError | DivergedError):
            raise
        raise RunFailedError(f"{type(error).__name__}: {error}. {_kept_traceback(directory)}") from error


class _Recorder:
    """Writes the record of a run, as long as this process holds the lease.

    Args:
        directory: of the run.
        lease: of the directory.
        record: that is on disk.
    """

    def __init__(self, directory: Path, lease: Lease, record: Record) -> None:
        self._directory, self._lease, self._on_disk = directory, lease, record

    def write(self, record: Record) -> None:
        """Replaces the record; signals wait until that is done."""
        with interruption.completed(), writing(self._directory / RECORD):
            self._lease.check()
            write_record(self._directory, record)
            self._on_disk = record

    def end(self, status: str, error: str | None = None) -> None:
        """Gives the record on disk the status of a run that ends early, unless the run is done or the disk is full.

        Raises:
            LeaseLostError: another process has taken over.
        """
        if self._on_disk["status"] == "done":
            return
        with interruption.completed(), contextlib.suppress(OSError):
            self._lease.check()
            write_record(self._directory, {**self._on_disk, "status": status, "error": error})


def _save(experiment: Experiment, directory: Path) -> None:
    try:
        experiment.save(directory)
    except OSError as error:  # such as a full disk, after which the same command can do better
        with writing(directory):
            raise error
    except Exception as error:  # costs pictures, never metrics
        log.warning("What the figures need could not be saved (%s: %s).", type(error).__name__, error)


def _kept_traceback(directory: Path) -> str:
    path = directory / TRACEBACK
    try:
        write_text(path, traceback.format_exc())
    except OSError as error:
        return f"The traceback could not be written to {path} ({error.strerror}): IRG_FULL_ERROR=1 shows it."
    return f"The traceback is in {path}."
