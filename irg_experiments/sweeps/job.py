"""One run of a sweep, in whichever process a launcher starts it."""

import contextlib
import functools
import io
import logging
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irg_experiments.config.tree import ConfigTree
from irg_experiments.errors import DivergedError, LeaseLostError, RunFailedError, UserError, unexpected
from irg_experiments.results.console import prepare_logging
from irg_experiments.sweeps.states import lowest_validation_metric


def this_process() -> tuple[str, int]:
    """Host and number of this process."""
    return socket.gethostname(), os.getpid()


@dataclass(frozen=True)
class Job:
    """What a launcher of Hydra calls for each run. It can be pickled.

    Attributes:
        tree: the option files.
        quiet: whether to log warnings alone, where a live table shows what the runs do.
        folder: which relative paths of the config refer to: where the command was typed.
        sweep: the process of the sweep itself; every other one is a worker.
    """

    tree: ConfigTree
    quiet: bool = False
    folder: Path = field(default_factory=Path.cwd)
    sweep: tuple[str, int] = field(default_factory=this_process)

    def __call__(self, config: Any) -> float | None:
        """Runs an experiment.

        Returns:
            Its lowest validation metric, for sweepers that minimise.

        Raises:
            UserError: it was refused.
            DivergedError, RunFailedError: it failed.
        """
        with contextlib.ExitStack() as stack:
            if self.sweep != this_process():
                stack.enter_context(self._in_worker())
            if self.quiet:
                stack.enter_context(_warnings_alone())
            return lowest_validation_metric(_run(config, self.tree))

    @contextlib.contextmanager
    def _in_worker(self) -> Iterator[None]:
        """Sets this process up as that of the sweep was. Tables are not printed: those of several processes would mix."""
        os.chdir(self.folder)  # Ray's workers start in a folder of their own
        if self.tree.extra and str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))  # a user's own classes
        prepare_logging()
        _take_one_gpu()
        with contextlib.redirect_stdout(io.StringIO()):
            yield


def _run(config: Any, tree: ConfigTree) -> Path:
    from hydra.core.hydra_config import HydraConfig

    from irg_experiments.experiments.runner import run_experiment
    from irg_experiments.training.progress import hidden

    overrides = list(HydraConfig.get().overrides.task)
    try:
        with hidden():
            return run_experiment(config, overrides, tree)
    except (UserError, DivergedError, LeaseLostError, RunFailedError):
        raise
    except Exception as error:  # of a class that the sweep's process may be unable to unpickle
        raise unexpected(error) from None


@contextlib.contextmanager
def _warnings_alone() -> Iterator[None]:
    logger = logging.getLogger("irg_experiments")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@functools.cache
def _take_one_gpu() -> None:
    """Where a worker sees several GPUs, leaves it one of them, by the number of its first job.

    SLURM and Ray give each worker GPUs of its own; joblib gives all of them to every worker.
    """
    import torch
    from hydra.core.hydra_config import HydraConfig

    number = torch.cuda.device_count()
    if number > 1:
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        visible = listed.split(",") if listed else [str(gpu) for gpu in range(number)]
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[HydraConfig.get().job.num % number]
