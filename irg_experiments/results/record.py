"""The record of a run: one JSON file, written atomically, that says what was run and what came out."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import irg_experiments
from irg_experiments.files import write_text
from irg_experiments.results.schema import SCHEMA_VERSION

Record = dict[str, Any]

RECORD = "record.json"


def new_record(
    config: dict[str, Any],
    identity: str,
    group: str,
    command: str,
    device: str,
    compiled: str,
    sources: Mapping[str, str] = MappingProxyType({}),
) -> Record:
    """The record of a run that is about to start; null where the experiment has no such thing.

    Args:
        config: resolved.
        identity: see ``irg_experiments.config.identity``.
        group: the identity without the seed, which repetitions share.
        command: that repeats the run.
        device: that computes.
        compiled: "on" or "off".
        sources: see ``irg_experiments.config.sources``.
    """

    def name_of(section: str) -> str | None:
        return config[section]["name"] if config.get(section) else None

    return {
        "schema_version": SCHEMA_VERSION,
        "status": "running",
        "experiment": config["experiment"],
        "method": name_of("method"),
        "data": name_of("data"),
        "model": name_of("model"),
        "seed": config["seed"],
        "budget": config["budget"],
        "metrics": {},
        "non_finite": {},
        "steps": config.get("training", {}).get("steps"),
        "steps_per_second": None,
        "wall_seconds": None,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": machine(),
        "device": device,
        "compile": compiled,
        "git_commit": git_commit(),
        "earlier_code": [],
        "sources": dict(sources),
        "command": command,
        "identity": identity,
        "group": group,
        "config": config,
        "error": None,
    }


def finished_record(record: Record, **found: Any) -> Record:
    """The record of a run that is done; what is no finite number becomes null, and is named in ``non_finite``.

    Args:
        record: as it was when the run started.
        found: fields that were found out.
    """
    return _without_infinities({**record, **found, "status": "done"})


def write_record(directory: Path, record: Record) -> None:
    """Writes ``record.json`` whole or not at all; what is no finite number becomes null, and is named in ``non_finite``."""
    checked = _without_infinities(record)
    write_text(directory / RECORD, json.dumps(checked, indent=2, allow_nan=False) + "\n")


def _without_infinities(record: Record) -> Record:
    numbers = {name: _plain(record[name]) for name in ("metrics", "steps_per_second", "wall_seconds")}
    non_finite = dict(_non_finite({**numbers["metrics"], **{name: numbers[name] for name in numbers if name != "metrics"}}))
    return {**record, **_finite(numbers), "non_finite": {**record["non_finite"], **non_finite}}


def _plain(value: Any) -> Any:
    """Numbers of NumPy and torch as Python's."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value if _is_finite(value) else None


def _is_finite(value: Any) -> bool:
    """Whether a leaf is a finite number; null, which stands for what is not, was named before."""
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _non_finite(metrics: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _non_finite(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield from _non_finite({str(index): item for index, item in enumerate(value)}, f"{prefix}{name}.")
        elif not _is_finite(value):
            yield f"{prefix}{name}", str(value)


def read_record(directory: Path) -> Record | None:
    """The record of a run directory as it stands there, or None if there is none that can be read."""
    try:
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "status" in record and "config" in record else None


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    import numpy
    import torch

    return {
        "irg_experiments": irg_experiments.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def machine() -> dict[str, Any]:
    """The processor, its instruction set as torch uses it, and how many threads compute."""
    import torch

    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _cpu_model() -> str:
    """The processor's name, which Python does not tell on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def code_of(record: Record) -> str:
    """The code that made a record, in words: its commit, or else the version of the package."""
    commit = record.get("git_commit")
    version = record.get("versions", {}).get("irg_experiments", "?")
    return f"commit {commit[:7]}{'-dirty' if commit.endswith('-dirty') else ''}" if commit else f"version {version}"


def git_commit() -> str | None:
    """The commit of the source tree, with "-dirty" if tracked files were changed; None outside a checkout of this project."""
    package = Path(irg_experiments.__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run(["git", "-C", str(package), *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return result.stdout.strip()

    # an installed copy may lie inside the checkout of something else
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = git("rev-parse", "HEAD")
    return commit and commit + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
