"""Hydra's launchers, called for runs that need not be the product of a few swept keys."""

import contextlib
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irg_experiments.config.command_line import search_path
from irg_experiments.config.composition import hydra_session, telling_errors_of_hydra
from irg_experiments.config.sweeps import key_of
from irg_experiments.config.tree import ConfigTree
from irg_experiments.errors import UserError
from irg_experiments.installation import is_installed
from irg_experiments.sweeps.plan import Run

# Hydra's launchers by name: the extra of this package that brings each, and the modules that it imports
LAUNCHERS = {
    "joblib": ("parallel", ("hydra_plugins.hydra_joblib_launcher", "joblib")),
    "submitit_local": ("slurm", ("hydra_plugins.hydra_submitit_launcher", "submitit")),
    "submitit_slurm": ("slurm", ("hydra_plugins.hydra_submitit_launcher", "submitit")),
    "ray": ("ray", ("hydra_plugins.hydra_ray_launcher", "ray")),
    "ray_aws": ("ray", ("hydra_plugins.hydra_ray_launcher", "ray")),
}


@dataclass(frozen=True)
class Launcher:
    """A launcher of Hydra with its settings.

    Attributes:
        words: the overrides of Hydra's own section, such as ``hydra/launcher=joblib``.
        tree: the option files.
    """

    words: tuple[str, ...]
    tree: ConfigTree

    def check(self) -> None:
        """Raises UserError if the launcher's package is not installed."""
        for word in self.words:
            if key_of(word) == "hydra/launcher" and (name := word.partition("=")[2]) in LAUNCHERS:
                extra, modules = LAUNCHERS[name]
                if not all(map(is_installed, modules)):
                    raise UserError(
                        f"The launcher {name} needs a package that is not installed: pip install 'irg-experiments[{extra}]'."
                    )

    def launch(self, runs: Sequence[Run], job: Callable[[Any], Any]) -> list[Exception | None]:
        """Calls the job once for the config of each run, and waits for all of them.

        Args:
            runs: at least one.
            job: what is called; it is pickled by launchers that start processes.

        Returns:
            What each call raised.

        Raises:
            UserError: the launcher cannot be set up.
            Exception: the launcher ended before its jobs, because one of its processes died, for example.
        """
        from hydra._internal.callbacks import Callbacks
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.hydra_config import HydraConfig
        from hydra.core.plugins import Plugins
        from hydra.core.utils import setup_globals
        from hydra.types import HydraContext, RunMode

        os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # else Ray shows one of several similar lines of its workers
        before = HydraConfig.instance().cfg
        with telling_errors_of_hydra(), hydra_session():
            setup_globals()
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", self._overrides(runs), RunMode.MULTIRUN)
            HydraConfig.instance().set_config(config)
            try:
                context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
                launcher = Plugins.instance().instantiate_launcher(context, job, config)
                returns = launcher.launch([list(run.words) for run in runs], 0)
            finally:
                HydraConfig.instance().cfg = before
        return [_raised(it) for it in returns]

    def _overrides(self, runs: Sequence[Run]) -> list[str]:
        """Those of Hydra's section. A launcher's own files are in the folder of all runs, wherever its processes start."""
        folder = Path(runs[0].settings.output).absolute()
        return [*search_path(self.tree), f"hydra.sweep.dir={quoted(folder)}", *self.words]


def quoted(path: Path) -> str:
    """A path as a value in Hydra's grammar."""
    escaped = str(path).replace("'", "\\'")
    return f"'{escaped}'"


def _raised(job_return: Any) -> Exception | None:
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # Hydra prints the overrides of a job that failed
            job_return.return_value  # noqa: B018
    except Exception as error:
        return error
    return None
