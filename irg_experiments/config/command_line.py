"""The arguments of ``irg-run``: parsed, composed once for checking, and every mistake told in one line."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from irg_experiments.config.tree import GROUPS, ConfigTree, config_directory, unknown, unknown_key
from irg_experiments.config.validation import dotted, either, shown
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
        help, version: whether these were asked for.
    """

    overrides: tuple[str, ...]
    sweep: bool = False
    show: str | None = None
    passed_on: tuple[str, ...] = ()
    tree: ConfigTree = field(default_factory=ConfigTree)
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
        _check_names(folder)
    passed_on = ["--resolve"] if found.resolve else []
    passed_on += ["--info", found.info] if found.info else []
    passed_on += ["--hydra-help"] if found.hydra_help else []
    if found.shell_completion is not None:
        command, _, shell = found.shell_completion.partition("=")
        if command not in ("install", "uninstall", "query") or shell not in SHELLS:
            raise UserError(f"--shell-completion takes install=SHELL, where SHELL is {either(SHELLS)}.")
        return Arguments((found.shell_completion,), passed_on=("--shell-completion",))
    tree = ConfigTree(tuple(folder.resolve() for folder in found.config_dir))
    return Arguments(tuple(found.overrides), found.multirun, found.cfg, tuple(passed_on), tree, found.help, found.version)


def _check_names(folder: Path) -> None:
    # Hydra would read the package's file without a word
    for group in GROUPS:
        for name in ConfigTree().choices(group):
            if (path := folder / group / f"{name}.yaml").exists():
                raise UserError(f"{path} has the name of an option of the package: choose another one.")


def compose(arguments: Arguments) -> Any:
    """Composes the config of the overrides; for a sweep, that of its first run. Hydra reports a mistake in many lines.

    Raises:
        UserError: they are no overrides of this tree.
    """
    import hydra

    for word in arguments.overrides:
        _check_word(word, arguments.tree)
    with hydra.initialize_config_dir(str(config_directory()), version_base="1.3"):
        first = [_first_value(override, arguments.sweep) for override in _parsed(arguments.overrides)]
        return _composed(first, arguments.tree)


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
    try:
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key or 'A key'} has no value: set it by {error.full_key}=…") from error
    except OmegaConfBaseException as error:
        reason = re.sub(r"^\w+ raised while resolving interpolation: ", "", str(error).splitlines()[0])
        raise UserError(f"{error.full_key} cannot be resolved: {reason}.") from error
    return {key: value for key, value in plain.items() if key != "budgets"}


def search_path(tree: ConfigTree) -> list[str]:
    """The override that adds the folders of a user to Hydra's search path."""
    folders = ",".join(f"'file://{folder}'" for folder in tree.extra)
    return [f"hydra.searchpath=[{folders}]"] if folders else []


def _check_word(word: str, tree: ConfigTree) -> None:
    name, separator, value = word.partition("=")
    if not name or not (separator or word.startswith("~")):
        group = next((group for group in GROUPS if word in tree.choices(group)), None)
        example = f"{group}={word}" if group else "experiment=lda"
        raise UserError(f"'{word}' does not say what it sets: arguments are key=value, such as {example}.")
    group = name.lstrip("+~").partition("@")[0]
    if separator and group in GROUPS and value[:1] in ("[", "{"):
        raise UserError(f"{name} takes one option by its name, such as {group}={tree.choices(group)[0]}, not {value}.")
    if separator and group in GROUPS and not re.search(r"[(\[{$]", value):
        for choice in value.split(","):
            if choice not in tree.choices(group):
                raise UserError(unknown(group, choice, tree.choices(group)))


def _parsed(overrides: Sequence[str]) -> list[Any]:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    found = []
    for word in overrides:
        try:
            found += parser.parse_overrides([word])
        except HydraException as error:
            name, _, value = word.partition("=")
            quoted = value.replace("'", "\\'")
            raise UserError(
                f"{word} cannot be parsed. A value with other characters than letters, digits and ./:-+%@?_ "
                f"needs quotes inside those of the shell: \"{name}='{quoted}'\"."
            ) from error
    return found


def _first_value(override: Any, sweep: bool) -> str:
    from hydra.errors import HydraException

    if not override.is_sweep_override():
        return override.input_line
    if not sweep:
        raise UserError(f"{override.input_line} is several values: add -m to run each of them, or put a list in brackets.")
    try:
        first = next(iter(override.sweep_string_iterator()), None)
    except HydraException as error:  # a range for another sweeper than the basic one
        raise UserError(f"{override.input_line} cannot be swept: give its values, separated by commas.") from error
    if first is None:
        raise UserError(f"{override.input_line} is no value at all: there is nothing to run.")
    return f"{override.get_key_element()}={first}"


def _composed(overrides: Sequence[str], tree: ConfigTree) -> Any:
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        return hydra.compose("config", [*search_path(tree), *overrides])
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:  # ValueError: what names no file
        told = f"{first_line(error)}. See irg-run --help for the choices and irg-run --cfg job for the keys."
        raise UserError(_unknown_override(error, overrides, tree) or told) from error


def first_line(error: Exception) -> str:
    """The first line of an error's message, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else type(error).__name__


def _unknown_override(error: Exception, overrides: Sequence[str], tree: ConfigTree) -> str | None:
    """What to write instead, if Hydra missed a key."""
    import hydra
    from omegaconf import OmegaConf

    missed = re.match(r"Could not (?:override|delete) '(?!hydra)([^'@]+)", str(error))
    if missed is None:
        return None
    name, group = missed[1], missed[1].partition(".")[0]

    def keys(*chosen: str) -> list[str]:
        config: Any = OmegaConf.to_container(hydra.compose("config", [*search_path(tree), *chosen]))
        return dotted({key: value for key, value in config.items() if key not in ("budgets", "_target_")})

    others = keys(*(word for word in overrides if word.partition("=")[0] in {*GROUPS} - {name}))
    if group in GROUPS and group not in others:
        able = [it for it in tree.choices("experiment") if group in keys(f"experiment={it}")]
        if able:
            return f"{group} goes with experiment={' or '.join(able)}: choose that, or leave out {name}."
    return unknown_key(name, others)
