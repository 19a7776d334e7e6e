"""The tree of option files: where they are, what they offer, and the nearest names when one does not exist.

Reads the files alone, so that ``irg-run --help`` imports neither torch nor Hydra.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irg_experiments.errors import UserError

GROUPS = ("experiment", "model", "method", "latent", "objective", "data")
# files of these stand for command lines; see ``irg_experiments.config.sweeps`` and ``irg_experiments.config.presets``
SWEEP, PRESET, LAUNCH = "sweep", "preset", "launch"
OF_COMMAND_LINES = (SWEEP, PRESET, LAUNCH)


def config_directory() -> Path:
    """The folder of ``config.yaml``: inside the package when installed, beside it in a source tree."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


@dataclass(frozen=True)
class ConfigTree:
    """Option files, ``<group>/<choice>.yaml``, in the package's folder and in a user's own (``--config-dir``).

    Args:
        extra: folders besides the package's; where two hold the same option, the package's counts, as for Hydra.
    """

    extra: tuple[Path, ...] = ()

    @property
    def directories(self) -> tuple[Path, ...]:
        """All folders, the package's first."""
        return (config_directory(), *self.extra)

    def choices(self, group: str) -> list[str]:
        """The options of a group, by name."""
        return sorted({path.stem for folder in self.directories for path in (folder / group).glob("*.yaml")})

    def path(self, group: str, choice: str) -> Path:
        """The file of an option.

        Raises:
            UserError: there is none; the message names the nearest ones.
        """
        for folder in self.directories:
            if (path := folder / group / f"{choice}.yaml").is_file():
                return path
        raise UserError(unknown(group, choice, self.choices(group)))

    def description(self, group: str, choice: str) -> str:
        """What the option is: the first comment of its file that is not a directive."""
        lines = self.path(group, choice).read_text(encoding="utf-8").splitlines()
        comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
        return next((comment for comment in comments if not comment.startswith("@")), "")

    def load(self, group: str, choice: str) -> dict[str, Any]:
        """The keys of an option's file, interpolations unresolved.

        Raises:
            UserError: the option does not exist, or its file cannot be read.
        """
        from omegaconf import OmegaConf
        from yaml import YAMLError

        path = self.path(group, choice)
        try:
            loaded: Any = OmegaConf.to_container(OmegaConf.load(path))
        except (YAMLError, OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is no valid YAML file: {' '.join(str(error).split())}.") from error
        return loaded


def unknown(kind: str, name: str, valid: Sequence[str]) -> str:
    """One line: the name that does not exist, the nearest valid ones, and all of them."""
    nearest = difflib.get_close_matches(name, valid, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    return f"Unknown {kind} '{name}'. {hint}Valid: {', '.join(valid)}."


def unknown_key(name: str, keys: Sequence[str]) -> str:
    """One line: the key that does not exist, and those of its name elsewhere, or else those beside it.

    Args:
        name: as a dotted path.
        keys: all there are, sections among them, as dotted paths.
    """
    section, _, last = name.rpartition(".")
    namesakes = [key for key in keys if key.endswith(f".{last}")]
    if namesakes:
        return f"Unknown key '{name}'. Did you mean {' or '.join(namesakes)}?"
    while section and section not in keys:
        section, _, last = section.rpartition(".")
    beside = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == section]
    if not beside:
        return f"Unknown key '{name}': {section} is a value, not a section. Set it by {section}=…"
    return unknown(f"key of {section}" if section else "key", last, beside)


def no_options(name: str, section: str) -> str:
    """One line: the key does not exist, because what its section holds has no options."""
    return f"Unknown key '{name}': the chosen {section} has no options. Leave it out."
