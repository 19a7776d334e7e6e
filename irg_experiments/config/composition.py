"""Configs of a command line, composed by Hydra before anything runs: one, or those of every run of a sweep."""

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from irg_experiments.config.command_line import Arguments, search_path
from irg_experiments.config.labels import check_labels
from irg_experiments.config.overrides import check_word, missed, parsed
from irg_experiments.config.tree import GROUPS, ConfigTree, config_directory
from irg_experiments.errors import UserError

# all runs of a sweep are composed before the first one starts
MOST_RUNS = 10_000
BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


class Composition(NamedTuple):
    """The config of one run.

    Attributes:
        name: the overrides that tell it from the other runs of a sweep; empty where there is one run.
        config: as Hydra composed it; the next composition of a sweep may change it.
        words: all overrides, each with one value.
    """

    name: str
    config: Any
    words: tuple[str, ...]


def compose(arguments: Arguments) -> Any:
    """The config of the overrides; of a sweep, that of its first run. Hydra reports a mistake in many lines.

    Raises:
        UserError: they are no overrides of this tree.
    """
    return next(compositions(arguments)).config


def compositions(arguments: Arguments) -> Iterator[Composition]:
    """The config of each run.

    A search, and another sweeper than Hydra's basic one, choose values while they go: of their runs there is the one of the
    first values.

    Raises:
        UserError: they are no overrides of this tree, or more runs than anyone waits for.
    """
    for word in arguments.overrides:
        check_word(word, arguments.tree)
    with hydra_session():
        overrides = parsed(arguments.overrides)
        if arguments.sweep:
            yield from _runs(overrides, arguments)
            return
        for override in overrides:
            if override.is_sweep_override():
                word = override.input_line
                raise UserError(f"{word} is several values: add -m to run each of them, or put a list in brackets.")
        yield Composition("", _without_hydra(_composed(arguments.overrides, arguments.tree)), arguments.overrides)


def hydra_session() -> contextlib.AbstractContextManager[None]:
    """Within it, Hydra finds the option files of the package."""
    import hydra

    return hydra.initialize_config_dir(str(config_directory()), job_name="irg-run", **version_base())


def version_base() -> dict[str, Any]:
    """The argument of that name. Hydra 1.3 wants to be told that its own defaults are meant; later versions warn of it."""
    import hydra

    return {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}


@contextlib.contextmanager
def naming(run: str) -> Iterator[None]:
    """Errors of users within it begin with the overrides of the run, if there are any."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{run}: {error}") if run else error from error


def _runs(overrides: Sequence[Any], arguments: Arguments) -> Iterator[Composition]:
    tree = arguments.tree
    first_words = tuple(first_value(override) for override in overrides)
    first = _composed(first_words, tree)
    sweeper = first.hydra.sweeper
    if arguments.search is not None or sweeper.get("_target_") != BASIC_SWEEPER or sweeper.get("params"):
        yield Composition("", _without_hydra(first), first_words)
        return
    values = {override.get_key_element(): words_of(override) for override in overrides}
    if (number := math.prod(map(len, values.values()))) > MOST_RUNS:
        raise UserError(f"The sweep has {number:,} runs, and {MOST_RUNS:,} are the most: divide it.")
    swept = [key for key, words in values.items() if len(words) > 1]
    if not swept:
        yield Composition("", _without_hydra(first), first_words)
        return
    in_place = [override for override in overrides if _sets_a_value(override, overrides)]
    configs: dict[tuple[str, ...], Any] = {}
    for words in itertools.product(*values.values()):
        chosen = dict(zip(values, words, strict=True))
        name = " ".join(chosen[key] for key in swept)
        kept = tuple(word for key, word in chosen.items() if key not in {it.get_key_element() for it in in_place})
        with naming(name):
            if kept not in configs:
                configs[kept] = _without_hydra(_composed(words, tree))
            for override in in_place:
                _set(configs[kept], chosen[override.get_key_element()])
        yield Composition(name, configs[kept], words)


def first_value(override: Any) -> str:
    """The word that sets the first of the values that an override sweeps; of an interval, its beginning."""
    from hydra.core.override_parser.types import IntervalSweep

    if override.is_sweep_override() and isinstance(override.value(), IntervalSweep):
        return f"{override.get_key_element()}={override.value().start}"
    return words_of(override)[0]


def words_of(override: Any) -> list[str]:
    """The words without a sweep that the basic sweeper makes of an override."""
    from hydra.errors import HydraException

    if not override.is_sweep_override():
        return [override.input_line]
    try:
        words = [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
    except HydraException as error:  # an interval, which is for other sweepers
        raise UserError(f"{override.input_line} cannot be swept: give its values, separated by commas.") from error
    if not words:
        raise UserError(f"{override.input_line} is no value at all: there is nothing to run.")
    return words


def _sets_a_value(override: Any, others: Sequence[Any]) -> bool:
    """Whether the swept values can be written into a composed config: composing takes several times as long."""
    key = override.key_or_group
    related = [it for it in others if f"{it.key_or_group}.".startswith(f"{key}.") or key.startswith(f"{it.key_or_group}.")]
    return (
        override.is_sweep_override()
        and override.get_key_element() == key  # no +, ++, ~ or package
        and not override.is_hydra_override()
        and key not in GROUPS
        and "/" not in key
        and len(related) == 1
        and not any(isinstance(value, dict) for value in override.sweep_iterator())
    )


def _set(config: Any, word: str) -> None:
    from omegaconf import OmegaConf

    (override,) = parsed([word])
    OmegaConf.update(config, override.key_or_group, override.value(), merge=True)


def _composed(words: Sequence[str], tree: ConfigTree) -> Any:
    """The config of overrides without sweeps, with Hydra's own section ``hydra``.

    Raises:
        UserError: they are no overrides of this tree, or set what nothing reads.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        config = _with_hydra(words, tree)
        check_labels(config, words, tree)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:  # ValueError: what names no file
        told = None
        with contextlib.suppress(HydraException):  # the other words may be wrong, too
            told = missed(error, words, tree, lambda others: _with_hydra(others, tree))
        choices = f"{first_line(error)}. See irg-run --help for the choices and irg-run --cfg job for the keys."
        raise UserError(told or choices) from error
    return config


def _with_hydra(words: Sequence[str], tree: ConfigTree) -> Any:
    import hydra

    return hydra.compose("config", [*search_path(tree), *words], return_hydra_config=True)


def _without_hydra(config: Any) -> Any:
    from omegaconf import open_dict

    with open_dict(config):
        config.pop("hydra", None)
    return config


@contextlib.contextmanager
def telling_errors_of_hydra() -> Iterator[None]:
    """Errors of Hydra within it, and of files that it cannot use, become a UserError of one line."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{first_line(error)}. See irg-run --help.") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise UserError(
            f"Hydra cannot use {error.filename} ({error.strerror}): choose another folder, or leave out hydra.…=…"
        ) from error


def first_line(error: Exception) -> str:
    """The first line of an error's message, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else type(error).__name__
