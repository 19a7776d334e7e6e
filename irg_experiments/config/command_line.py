"""The arguments of ``irg-run``, parsed, and the plain values of the config that they make."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from irg_experiments.config.search import Search
from irg_experiments.config.tree import GROUPS, OF_COMMAND_LINES, ConfigTree
from irg_experiments.config.validation import either, shown
from irg_experiments.errors import UserError

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Arguments:
    """A parsed command line.

    Attributes:
        overrides: ``key=value`` words, in Hydra's grammar.
        sweep: whether -m was given.
        show: what --cfg prints instead of running, or None.
        passed_on: other options that Hydra handles by itself.
        tree: the option files, with those of --config-dir.
        search: how the runs of a sweep are chosen; None means all of them.
        help, version: whether these were asked for.
    """

    overrides: tuple[str, ...]
    sweep: bool = False
    show: str | None = None
    passed_on: tuple[str, ...] = ()
    tree: ConfigTree = field(default_factory=ConfigTree)
    search: Search | None = None
    help: bool = False
    version: bool = False

    def for_hydra(self) -> list[str]:
        """The arguments that ``hydra.main`` is to see."""
        flags = ["--multirun"] if self.sweep else []
        flags += ["--cfg", self.show] if self.show else []
        return [*flags, *self.passed_on, *search_path(self.tree), *self.overrides]


class Parser(argparse.ArgumentParser):
    """A parser that raises UserError in place of printing the usage."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        raise UserError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")


def _folder(word: str) -> Path:
    return Path(os.path.expanduser(word))


def parse(arguments: Sequence[str]) -> Arguments:
    """The command line, options and overrides in any order.

    Raises:
        UserError: an option that does not exist or cannot be combined, or a word that is no override.
    """
    parser = Parser(prog="irg-run", add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-c", "--cfg", choices=["job", "hydra", "all"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("-cd", "--config-dir", type=_folder, action="append", default=[])
    parser.add_argument("-i", "--info", choices=["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"])
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("-sc", "--shell-completion", metavar="install=SHELL")
    parser.add_argument("overrides", nargs="*")
    found, others = parser.parse_known_intermixed_args(list(arguments))
    for word in others:
        raise UserError(f"Unknown option '{word}'. See irg-run --help; values are set by key=value, without dashes.")
    if found.resolve and found.cfg not in ("job", "all"):
        raise UserError("--resolve goes with --cfg job, which prints the config.")
    if sum(map(bool, (found.multirun, found.cfg, found.info))) > 1:
        raise UserError("--multirun, --cfg and --info exclude each other: leave out all but one.")
    for folder in found.config_dir:
        if not folder.is_dir():
            raise UserError(f"--config-dir {folder} is no folder.")
        _check_folder(folder)
    passed_on = ["--resolve"] if found.resolve else []
    passed_on += ["--info", found.info] if found.info else []
    passed_on += ["--hydra-help"] if found.hydra_help else []
    if found.shell_completion is not None:
        command, _, shell = found.shell_completion.partition("=")
        if command not in ("install", "uninstall", "query") or shell not in SHELLS:
            raise UserError(f"--shell-completion takes install=SHELL, where SHELL is {either(SHELLS)}.")
        return Arguments((found.shell_completion,), passed_on=("--shell-completion",))
    tree = ConfigTree(tuple(folder.resolve() for folder in found.config_dir))
    return Arguments(
        tuple(found.overrides), found.multirun, found.cfg, tuple(passed_on), tree, help=found.help, version=found.version
    )


def _check_folder(folder: Path) -> None:
    if not any((folder / group).is_dir() for group in (*GROUPS, *OF_COMMAND_LINES, "hydra")):
        folders = either([f"{group}/" for group in GROUPS])
        raise UserError(f"--config-dir {folder} has no option files: they are in its subfolders {folders}.")
    for group in (*GROUPS, *OF_COMMAND_LINES):  # of two files of one name Hydra would read the package's without a word
        for name in ConfigTree().choices(group):
            if (path := folder / group / f"{name}.yaml").exists():
                raise UserError(f"{path} has the name of an option of the package: choose another one.")


def resolved(config: Any) -> dict[str, Any]:
    """The composed config as plain values, every reference followed; ``budgets`` is dropped after its values were substituted.

    Raises:
        UserError: a reference leads nowhere, or a value is missing.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    if not config.get("experiment"):
        raise UserError("No experiment is chosen. Choose one that irg-run --help lists, such as experiment=lda.")
    if not isinstance(config.experiment, str):
        raise UserError("The experiment's file must begin with '# @package _global_', and have a key experiment with its name.")
    budgets, budget = config.get("budgets"), config.get("budget")
    if isinstance(budgets, Mapping) and budget not in budgets:
        raise UserError(f"budget must be {either(list(budgets))}, not {shown(budget)}.")
    _check_environment(OmegaConf.to_container(config))
    try:
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key or 'A key'} has no value: set it by {error.full_key}=…") from error
    except OmegaConfBaseException as error:
        reason = re.sub(r"^\w+ raised while resolving interpolation: ", "", str(error).splitlines()[0])
        raise UserError(f"{error.full_key} cannot be resolved: {reason}.") from error
    return {key: value for key, value in plain.items() if key != "budgets"}


def _check_environment(values: Any, key: str = "") -> None:
    """Refuses a variable that a value is taken from and that is set to nothing, which no default replaces."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            _check_environment(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, str):
        for variable in re.findall(r"\$\{oc\.env:(\w+)", values):
            if os.environ.get(variable) == "":
                raise UserError(
                    f"The environment variable {variable}, which gives {key}, is empty: unset it or give it a value."
                )


def search_path(tree: ConfigTree) -> list[str]:
    """The override that adds the folders of a user to Hydra's search path."""
    folders = ",".join(f"'file://{folder}'" for folder in tree.extra)
    return [f"hydra.searchpath=[{folders}]"] if folders else []
