"""Values that are kept in files, ``irg-run +preset=paper_2018``: what one would type, for keys that are not typed.

A file ``preset/<name>.yaml`` has keys, as dotted paths, with values:

    model.weights: glorot_normal
    training.batch_size: 100
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from irg_experiments.config.command_line import Arguments
from irg_experiments.config.sweeps import Words, key_of
from irg_experiments.config.tree import PRESET, unknown
from irg_experiments.config.validation import validate
from irg_experiments.errors import UserError


class _Preset(BaseModel):
    values: Words


def with_preset(arguments: Arguments) -> Arguments:
    """The command line that one with ``+preset=`` stands for; another one stands for itself.

    Raises:
        UserError: there is no such file, or it does not fit.
    """
    names = [word.partition("=")[2] for word in arguments.overrides if key_of(word) == PRESET]
    if not names:
        return arguments
    if len(names) > 1:
        raise UserError(f"+preset is given {len(names)} times: values of several cannot be told apart.")
    typed = [word for word in arguments.overrides if key_of(word) != PRESET]
    keys = {key_of(word) for word in typed}
    values = [f"{key}={value}" for key, value in _read(arguments, names[0]).items() if key not in keys]
    return dataclasses.replace(arguments, overrides=(*values, *typed))


def _read(arguments: Arguments, name: str) -> dict[str, str]:
    choices = arguments.tree.choices(PRESET)
    if name not in choices:
        raise UserError(unknown(PRESET, name, choices))
    loaded: Any = arguments.tree.load(PRESET, name)
    if not loaded or not isinstance(loaded, Mapping):
        raise UserError(f"{arguments.tree.path(PRESET, name)} must have keys with values.")
    return validate(_Preset, {"values": loaded}, f"{PRESET}={name}").values
