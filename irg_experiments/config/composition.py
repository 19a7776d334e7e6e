"""Configs of a command line, composed by Hydra before anything runs: one, or those of every run of a sweep."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from irg_experiments.config.command_line import Arguments, search_path
from irg_experiments.config.labels import check_labels
from irg_experiments.config.overrides import check_word, missed, parsed
from irg_experiments.config.tree import GROUPS, ConfigTree, config_directory
from irg_experiments.errors import UserError

# runs of a sweep that are composed before the first one starts
MOST_CHECKED = 1000
BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def compose(arguments: Arguments) -> Any:
    """The config of the overrides; of a sweep, that of its first run. Hydra reports a mistake in many lines.

    Raises:
        UserError: they are no overrides of this tree.
    """
    return next(compositions(arguments))[1]


def compositions(arguments: Arguments) -> Iterator[tuple[str, Any]]:
    """The config of each run, with the overrides that tell it from the other runs of a sweep; of these the first 1,000.

    Another sweeper than Hydra's basic one chooses values while it goes: of its runs there is the one of the first values.

    Raises:
        UserError: they are no overrides of this tree.
    """
    import hydra

    for word in arguments.overrides:
        check_word(word, arguments.tree)
    with hydra.initialize_config_dir(str(config_directory()), version_base="1.3"):
        overrides = parsed(arguments.overrides)
        if arguments.sweep:
            yield from itertools.islice(_runs(overrides, arguments.tree), MOST_CHECKED)
            return
        for override in overrides:
            if override.is_sweep_override():
                word = override.input_line
                raise UserError(f"{word} is several values: add -m to run each of them, or put a list in brackets.")
        yield "", _without_hydra(_composed(arguments.overrides, arguments.tree))


@contextlib.contextmanager
def naming(run: str) -> Iterator[None]:
    """Errors of users within it begin with the overrides of the run, if there are any."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{run}: {error}") if run else error from error


def _runs(overrides: Sequence[Any], tree: ConfigTree) -> Iterator[tuple[str, Any]]:
    values = {override.get_key_element(): _values(override) for override in overrides}
    first = _composed([words[0] for words in values.values()], tree)
    sweeper = first.hydra.sweeper
    swept = [key for key, words in values.items() if len(words) > 1]
    if sweeper.get("_target_") != BASIC_SWEEPER or sweeper.get("params") or not swept:
        yield "", _without_hydra(first)
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
        yield name, configs[kept]


def _values(override: Any) -> list[str]:
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


def first_line(error: Exception) -> str:
    """The first line of an error's message, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else type(error).__name__
