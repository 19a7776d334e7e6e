"""Checks of a composed config that need to know which option files it is made of."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.config.tree import GROUPS, ConfigTree, unknown_key
from irg_experiments.config.validation import dotted, shown
from irg_experiments.errors import UserError

# set by an option file of Hydra, and not declared
_OF_HYDRA = ("env",)


def check_labels(config: Any, words: Sequence[str], tree: ConfigTree) -> None:
    """Checks that options have the names of their files, and that nothing was added which no class checks and nothing reads.

    Args:
        config: as Hydra composed it, with the section ``hydra``.
        words: the overrides.
        tree: the option files.

    Raises:
        UserError: they have not, or something was added.
    """
    from omegaconf import OmegaConf

    choices = config.hydra.runtime.choices
    chosen = {group: choices[group] for group in GROUPS if choices.get(group)}
    plain: Any = {
        key: OmegaConf.to_container(config[key]) for key in [*chosen, "budgets"] if OmegaConf.is_config(config.get(key))
    }
    for group, choice in chosen.items():
        name = plain[group].get("name", choice) if group in plain else config.get(group)
        if group in plain and group != "experiment" and name != choice:
            on_command_line = any(word.lstrip("+").startswith(f"{group}.name=") for word in words)
            remedy = f"{group}=… chooses another option" if on_command_line else "correct it there"
            _refuse(f"{group}.name", name, tree.path(group, choice), remedy)
        if group == "experiment" and isinstance(name, str) and name != choice:
            _refuse("experiment", name, tree.path(group, choice), "correct it there")
    for group, choice in chosen.items():
        target = (config if group == "experiment" else plain.get(group, {})).get("_target_")
        if target is not None:  # a file without one is told of elsewhere
            _check_target(target, group, choice, tree)
    if any(word.startswith("+") for word in words):
        _check_additions(plain, chosen, tree)
        for key in _undeclared(config.hydra):
            raise UserError(f"Unknown key 'hydra.{key}': Hydra has no such setting. Leave it out.")


def _refuse(key: str, name: Any, path: Path, remedy: str) -> None:
    raise UserError(f"{key} must be {path.stem}, the name of its file {path}, not {shown(name)}: {remedy}.")


def _check_target(target: Any, group: str, choice: str, tree: ConfigTree) -> None:
    """An option stands for one class, which tables and folders call by the option's name."""
    declared = tree.load(group, choice).get("_target_")
    if target != declared:
        key = "_target_" if group == "experiment" else f"{group}._target_"
        raise UserError(
            f"{key} must be {declared}, that of {group}={choice}, not {shown(target)}: another class has an option file of its "
            "own, in a folder named by --config-dir."
        )


def _check_additions(plain: dict[str, Any], chosen: dict[str, str], tree: ConfigTree) -> None:
    """Values that other sections take by default, and budgets, have the keys of the option files."""
    for group in chosen:
        if group in plain and "recommended" in plain[group]:
            declared = dotted({group: {key: value for key, value in plain[group].items() if key != "recommended"}})
            recommended = tree.load(group, chosen[group]).get("recommended")
            declared += dotted({"recommended": recommended}, f"{group}.") if recommended is not None else []
            _check_known(dotted({group: plain[group]}), declared)
    budgets = tree.load("experiment", chosen["experiment"]).get("budgets") if "experiment" in chosen else None
    if isinstance(budgets, dict) and isinstance(plain.get("budgets"), dict):
        keys = sorted({key for budget in budgets.values() for key in budget})
        for name, budget in plain["budgets"].items():
            if isinstance(budget, dict):
                _check_known(
                    dotted(budget, f"budgets.{name}."), [f"budgets.{name}", *(f"budgets.{name}.{key}" for key in keys)]
                )


def _check_known(keys: Sequence[str], declared: Sequence[str]) -> None:
    for key in keys:
        if key not in declared:
            raise UserError(unknown_key(key, sorted(declared)))


def _undeclared(section: Any, prefix: str = "") -> Iterator[str]:
    """The keys of structured sections that their dataclasses do not have, as dotted paths."""
    from omegaconf import DictConfig, OmegaConf

    schema = OmegaConf.get_type(section)
    declared = {field.name for field in dataclasses.fields(schema)} if dataclasses.is_dataclass(schema) else None
    for key in section:
        if declared is not None and key not in declared and f"{prefix}{key}" not in _OF_HYDRA:
            yield f"{prefix}{key}"
        elif OmegaConf.is_missing(section, key) or OmegaConf.is_interpolation(section, key):
            continue
        elif isinstance(section[key], DictConfig):
            yield from _undeclared(section[key], f"{prefix}{key}.")
