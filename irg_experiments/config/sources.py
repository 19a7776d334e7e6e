"""Source files of classes and functions outside this package, which no commit or version in a record identifies."""

import hashlib
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def sources(config: Any) -> dict[str, str]:
    """The first 12 hexadecimal digits of the SHA-256 of the file that defines each ``_target_`` outside of irg_experiments.

    Args:
        config: a plain config; its targets can be imported.

    Returns:
        By target, in alphabetical order. A target without a Python file, such as a built-in function, is left out.
    """
    files = {target: _file(target) for target in sorted(set(_targets(config))) if target.partition(".")[0] != "irg_experiments"}
    return {target: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for target, file in files.items() if file is not None}


def _targets(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(config.get("_target_"), str):
            yield config["_target_"]
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _targets(value)


def _file(target: str) -> Path | None:
    module, _, name = target.rpartition(".")
    try:
        found = inspect.getsourcefile(inspect.unwrap(getattr(importlib.import_module(module), name)))
    except (ImportError, AttributeError, TypeError, ValueError):  # built in, or an option that only looks like a target
        return None
    return Path(found) if found is not None and Path(found).is_file() else None
