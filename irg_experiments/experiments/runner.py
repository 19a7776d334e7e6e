"""What every experiment shares: its directory, its record, its seed, what happens when it is repeated or fails."""

import dataclasses
import logging
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import DictConfig, OmegaConf

from irg_experiments import implicit
from irg_experiments.config import check_values
from irg_experiments.experiments import accuracy, cross_entropy, lda, vae
from irg_experiments.experiments.result import Measured
from irg_experiments.results.record import identity, new_record, read_record, write_record
from irg_experiments.training.device import resolve_device
from irg_experiments.training.loop import TrainingResult

log = logging.getLogger(__name__)


class Experiment(Protocol):
    """One experiment, set up from its config: it trains or measures, then shows what came out.

    Attributes:
        named_by: the values of the config that name its run directory, besides budget and seed.
    """

    named_by: tuple[str, ...]

    def __init__(self, config: Any, device: torch.device) -> None: ...

    def run(self, directory: Path) -> TrainingResult | Measured:
        """Computes the metrics; goes on where an interrupted run of the directory stopped."""
        ...

    def show(self, directory: Path, record: dict[str, Any]) -> None:
        """Prints the tables of a finished run and writes its figures."""
        ...


EXPERIMENTS: dict[str, type[Experiment]] = {
    "accuracy": accuracy.AccuracyExperiment,
    "cross_entropy": cross_entropy.CrossEntropyExperiment,
    "lda": lda.LdaExperiment,
    "vae": vae.VaeExperiment,
}


def run_experiment(config: DictConfig, overrides: Sequence[str]) -> Path:
    """Runs the experiment of a composed config, unless its directory holds the finished run already.

    Args:
        config: as Hydra composed it.
        overrides: the command-line overrides that made it, for the record.

    Returns:
        The run directory.

    Raises:
        UserError: the config asks for something that cannot be had.
        DivergedError: the loss became NaN or infinite; the record says so.
    """
    resolved = resolve(config)
    check_values(resolved)
    directory = run_directory(resolved)
    earlier = read_record(directory)
    if not resolved["rerun"] and earlier is not None and earlier["status"] == "done":
        log.info("%s is done already; rerun=true runs it once more.", directory)
        return directory
    if resolved["threads"] is not None:
        torch.set_num_threads(resolved["threads"])
    implicit.set_compile("off" if resolved["compile"] == "off" else "auto")
    device = resolve_device(resolved["device"])
    torch.manual_seed(resolved["seed"])
    experiment = EXPERIMENTS[resolved["experiment"]](OmegaConf.create(resolved), device)
    if resolved["rerun"]:  # only now, when everything that could refuse to run has been set up
        shutil.rmtree(directory, ignore_errors=True)
    _run_recorded(experiment, directory, new_record(portable(resolved, config), command(overrides), str(device)))
    return directory


def resolve(config: DictConfig) -> dict[str, Any]:
    """The config with every reference resolved. Of the budget only its name stays: what it sets is in ``training``."""
    resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    resolved["budget"] = resolved["budget"]["name"]
    return resolved


def portable(resolved: dict[str, Any], config: DictConfig) -> dict[str, Any]:
    """The resolved config for the record, with the data root as it was written: a path of one machine helps no other."""
    if "data" not in resolved:
        return resolved
    as_written: Any = OmegaConf.to_container(config.data)
    return {**resolved, "data": {**resolved["data"], "root": as_written["root"]}}


def run_directory(resolved: dict[str, Any]) -> Path:
    """Where a run of this config belongs: a readable name, and a hash of everything that can change the result."""
    keys = EXPERIMENTS[resolved["experiment"]].named_by
    values = (str(OmegaConf.select(OmegaConf.create(resolved), key)) for key in keys)
    parts = (*values, resolved["budget"], f"seed{resolved['seed']}")
    return Path(resolved["output"]) / resolved["experiment"] / f"{'-'.join(parts)}-{identity(resolved)}"


def command(overrides: Sequence[str]) -> str:
    """The command line that gives this run, without where it writes and reads."""
    kept = [item for item in overrides if not item.startswith(("output=", "rerun=", "data.root="))]
    return shlex.join(["irg-run", *kept])


def _run_recorded(experiment: Experiment, directory: Path, record: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    log.info("Run directory: %s", directory)
    (directory / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(record["config"])))
    interrupted = read_record(directory)
    if interrupted is not None:
        record["started"] = interrupted["started"]
    write_record(directory, record)
    try:
        result = experiment.run(directory)
    except Exception as error:
        write_record(directory, {**record, "status": "failed", "error": f"{type(error).__name__}: {error}"})
        raise
    fields = dataclasses.asdict(result)
    record.update({name: round(value, 1) if isinstance(value, float) else value for name, value in fields.items()})
    experiment.show(directory, record)
    write_record(directory, {**record, "status": "done"})
