"""The Hydra tree: where it is, what it offers, and plain words when a choice in it does not exist."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from irg_experiments.errors import UserError

GROUPS = ("experiment", "method", "latent", "data", "budget")


def config_directory() -> Path:
    """The folder of ``config.yaml``: inside the package when installed, beside it in a source tree."""
    package = Path(__file__).resolve().parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def choices(group: str) -> list[str]:
    """The options of a group, by name."""
    return sorted(path.stem for path in (config_directory() / group).glob("*.yaml"))


def description(group: str, choice: str) -> str:
    """What the option is: the first comment of its file that is not a directive."""
    lines = (config_directory() / group / f"{choice}.yaml").read_text().splitlines()
    comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@")), "")


def check_choices(overrides: Sequence[str]) -> None:
    """Checks the options of the groups among the overrides before anything is composed.

    Raises:
        UserError: an option does not exist; the message names the nearest ones.
    """
    for override in overrides:
        name, separator, value = override.partition("=")
        group = name.lstrip("+~").partition("@")[0]
        if not separator or group not in GROUPS or "(" in value:
            continue
        for choice in value.split(","):
            if choice not in choices(group):
                raise UserError(unknown(group, choice, choices(group)))


def unknown(kind: str, name: str, valid: Sequence[str]) -> str:
    """One line: the name that does not exist, the nearest valid ones, and all of them."""
    nearest = difflib.get_close_matches(name, valid, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    return f"Unknown {kind} '{name}'. {hint}Valid: {', '.join(valid)}."
