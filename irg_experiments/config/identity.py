"""What makes two configs the same run: a hash of every key that can change a result, and of nothing else.

Left out are keys marked ``CONDUCT``, labels, recommended values (they count where they are used), and every key that has its
default in the code. A key that is added later therefore leaves earlier hashes as they were, provided that its default does what
was done before. Defaults in the code never change; the values in use are those of the YAML files.
"""

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from irg_experiments.config.components import Component, options_that_count
from irg_experiments.config.types import Conduct


def identity(config: BaseModel, *, seed: bool = True) -> str:
    """Eight hexadecimal digits of SHA-256: equal for two configs whose results are the same.

    Args:
        config: of an experiment.
        seed: whether the seed counts; without it, repetitions of one configuration are equal.
    """
    counted = essence(config)
    if not seed:
        counted.pop("seed", None)
    return hashlib.sha256(json.dumps(_canonical(counted), sort_keys=True).encode()).hexdigest()[:8]


def essence(section: BaseModel, path: str = "") -> dict[str, Any]:
    """The keys that count, with their values."""
    counted: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, key = getattr(section, name), field.alias or name
        is_default = not field.is_required() and value == field.get_default(call_default_factory=True)
        if not is_default and not any(isinstance(item, Conduct) for item in field.metadata):
            counted[key] = _value(value, f"{path}{key}")
    return counted


def _value(value: Any, path: str) -> Any:
    if isinstance(value, Component):
        return {name: _value(option, f"{path}.{name}") for name, option in options_that_count(value, path).items()}
    if isinstance(value, BaseModel):
        return essence(value, f"{path}.")
    if isinstance(value, list | tuple):
        return [_value(item, path) for item in value]
    return value


def _canonical(value: Any) -> Any:
    """The value with 1.0 as 1: YAML and the command line write either."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
