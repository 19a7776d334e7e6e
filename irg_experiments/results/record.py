"""The record of a run: one JSON file, written atomically, that says what was run and what came out."""

import hashlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import irg_experiments

SCHEMA_VERSION = 1
RECORD = "record.json"

# where things are and whether to repeat them: no part of what a run is
CONDUCT = ("output", "rerun")


def identity(config: dict[str, Any]) -> str:
    """Eight hexadecimal digits that differ when the resolved configs differ in anything that can change a result."""
    essence = {name: value for name, value in config.items() if name not in CONDUCT}
    if "data" in config:
        essence["data"] = {name: value for name, value in config["data"].items() if name != "root"}
    return hashlib.sha256(json.dumps(essence, sort_keys=True).encode()).hexdigest()[:8]


def new_record(config: dict[str, Any], command: str, device: str) -> dict[str, Any]:
    """The record of a run that is about to start; null where the experiment has no such thing."""

    def name_of(group: str) -> str | None:
        return config[group]["name"] if group in config else None

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
        "steps": config.get("training", {}).get("steps"),
        "steps_per_second": None,
        "wall_seconds": None,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "device": device,
        "git_commit": git_commit(),
        "command": command,
        "config": config,
        "error": None,
    }


def write_record(directory: Path, record: dict[str, Any]) -> None:
    """Writes ``record.json`` whole or not at all."""
    temporary = directory / f"{RECORD}.tmp"
    temporary.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")
    os.replace(temporary, directory / RECORD)


def read_record(directory: Path) -> dict[str, Any] | None:
    """The record of a run directory, or None if there is none that can be read."""
    try:
        return json.loads((directory / RECORD).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


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
