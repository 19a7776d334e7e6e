"""Values that are kept in files, ``irg-run +preset=paper_2018``: what one would type, for keys that are not typed.

A file ``preset/<name>.yaml`` has keys, as dotted paths, with values:

    model.weights: glorot_normal
    training.batch_size: 100

A file ``launch/<name>.yaml``, for ``-m +launch=parallel``, is the same for settings of Hydra's launchers.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from irg_experiments.config.command_line import Arguments
from irg_experiments.config.sweeps import Words, key_of
from irg_experiments.config.tree import LAUNCH, PRESET, unknown
from irg_experiments.config.validation import validate
from irg_experiments.errors import UserError


class _Preset(BaseModel):
    values: Words


def with_preset(arguments: Arguments) -> Arguments:
    """The command line that one with ``+preset=`` or ``+launch=`` stands for; another one stands for itself.

    Raises:
        UserError: there is no such file, or it does not fit; a launcher is for a single run.
    """
    for group in (LAUNCH, PRESET):
        arguments = _expanded(arguments, group)
    return arguments


def _expanded(arguments: Arguments, group: str) -> Arguments:
    names = [word.partition("=")[2] for word in arguments.overrides if key_of(word) == group]
    if not names:
        return arguments
    if len(names) > 1:
        raise UserError(f"+{group} is given {len(names)} times: values of several cannot be told apart.")
    if group == LAUNCH and not arguments.sweep:
        raise UserError(f"+{LAUNCH}={names[0]} distributes the runs of a sweep: add -m, or leave it out.")
    typed = [word for word in arguments.overrides if key_of(word) != group]
    words = [f"{key}={value}" for key, value in _read(arguments, group, names[0]).items() if not _is_replaced(key, typed)]
    return dataclasses.replace(arguments, overrides=(*words, *typed))


def _is_replaced(key: str, typed: Sequence[str]) -> bool:
    """Whether a key of the file is left out; one that adds, with a "+", is needed by a typed word that does not."""
    if key.startswith("+"):
        return key in {word.partition("=")[0] for word in typed}
    return key in set(map(key_of, typed))


def _read(arguments: Arguments, group: str, name: str) -> dict[str, str]:
    choices = arguments.tree.choices(group)
    if name not in choices:
        raise UserError(unknown(group, name, choices))
    loaded: Any = arguments.tree.load(group, name)
    if not loaded or not isinstance(loaded, Mapping):
        raise UserError(f"{arguments.tree.path(group, name)} must have keys with values.")
    return validate(_Preset, {"values": loaded}, f"{group}={name}").values
