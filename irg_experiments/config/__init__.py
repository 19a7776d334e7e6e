"""The Hydra tree: where it is, what it offers, and plain words when a choice, a key or a value in it cannot be."""

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.errors import UserError

GROUPS = ("experiment", "method", "latent", "data", "budget")


def config_directory() -> Path:
    """The folder of ``config.yaml``: inside the package when installed, beside it in a source tree."""
    package = Path(__file__).resolve().parents[1]
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


def check_overrides(overrides: Sequence[str], sweep: bool) -> None:
    """Composes the config of the overrides, or the first one of a sweep: Hydra's own report of a mistake is a page.

    Raises:
        UserError: they are no overrides of this tree.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    for word in overrides:
        if not word.partition("=")[0] or not ("=" in word or word.startswith("~")):
            group = next((group for group in GROUPS if word in choices(group)), None)
            example = f"{group}={word}" if group else "experiment=lda"
            raise UserError(f"'{word}' does not say what it sets: arguments are key=value, such as {example}.")
    with hydra.initialize_config_dir(str(config_directory()), version_base="1.3"):
        try:
            parsed = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(list(overrides))
            first = [_first_value(override, sweep) for override in parsed]
        except HydraException as error:
            raise UserError(_first_line(error)) from error
        try:
            hydra.compose("config", first)
        except HydraException as error:
            raise UserError(_unknown_override(error, first) or _first_line(error)) from error


def _first_value(override: Any, sweep: bool) -> str:
    if not override.is_sweep_override():
        return override.input_line
    if not sweep:
        raise UserError(f"{override.input_line} is several values: add -m to run each of them, or put a list in brackets.")
    first = next(iter(override.sweep_string_iterator()), None)
    if first is None:
        raise UserError(f"{override.input_line} is no value at all: there is nothing to run.")
    return f"{override.get_key_element()}={first}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[0].removesuffix('.')}. See irg-run --help for the choices and irg-run --cfg job for the keys."


def _unknown_override(error: Exception, overrides: Sequence[str]) -> str | None:
    """What to write instead, if Hydra missed a key."""
    import hydra
    from omegaconf import OmegaConf

    missed = re.match(r"Could not (?:override|delete) '(?!hydra)([^'@]+)", str(error))
    if missed is None:
        return None
    name, group = missed[1], missed[1].partition(".")[0]
    others = [override for override in overrides if override.partition("=")[0] in {*GROUPS} - {name}]
    config: Any = OmegaConf.to_container(hydra.compose("config", others))
    if group in GROUPS and group not in config:
        able = [it for it in choices("experiment") if group in hydra.compose("config", [f"experiment={it}"])]
        return f"{group} goes with experiment={' or '.join(able)}: choose that, or leave out {name}."
    return unknown_key(name, _dotted(config))


def _dotted(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for name, value in config.items():
        keys.append(f"{prefix}{name}")
        if isinstance(value, Mapping):
            keys += _dotted(value, f"{prefix}{name}.")
    return keys


def unknown_key(name: str, keys: Sequence[str]) -> str:
    """One line: the key that does not exist, and those of its name elsewhere, or else those beside it.

    Args:
        name: as a dotted path.
        keys: all there are, sections among them, as dotted paths.
    """
    last = name.rpartition(".")[2]
    namesakes = [key for key in keys if key.endswith(f".{last}") and not key.startswith("budget.")]
    if namesakes:
        return f"Unknown key '{name}'. Did you mean {' or '.join(namesakes)}?"
    section, _, last = name.rpartition(".")
    while section and section not in keys:
        section, _, last = section.rpartition(".")
    beside = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == section]
    return unknown(f"key of {section}" if section else "key", last, beside)


def unknown(kind: str, name: str, valid: Sequence[str]) -> str:
    """One line: the name that does not exist, the nearest valid ones, and all of them."""
    nearest = difflib.get_close_matches(name, valid, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    return f"Unknown {kind} '{name}'. {hint}Valid: {', '.join(valid)}."


# what a value must be, in words and as a test
Rule = tuple[str, Callable[[Any], bool]]


def _whole(least: int) -> Rule:
    return f"a whole number of at least {least}", lambda value: type(value) is int and value >= least  # a bool is an int too


def _one_of(*names: str) -> Rule:
    return f"{', '.join(names[:-1])} or {names[-1]}", lambda value: value in names


POSITIVE: Rule = ("a positive number", lambda value: type(value) in (int, float) and 0 < value < math.inf)
BOOLEAN: Rule = ("true or false", lambda value: type(value) is bool)

RULES: dict[str, Rule] = {
    "seed": _whole(0),
    "threads": _whole(1),
    "compile": _one_of("auto", "on", "off"),
    "rerun": BOOLEAN,
    "model.topics": _whole(1),
    "training.steps": _whole(1),
    "training.prior_burn_in_steps": _whole(0),
    "training.kl_warmup_steps": _whole(0),
    "training.log_every": _whole(1),
    "training.evaluate_every": _whole(1),
    "training.checkpoint_every": _whole(1),
    "training.patience": _whole(1),
    "training.batch_size": _whole(1),
    "training.learning_rate": POSITIVE,
    "training.num_samples": _whole(1),
    "evaluation.nll_samples": _whole(1),
    "evaluation.knn_neighbours": _whole(1),
    "evaluation.knn_draws": _whole(1),
    "gradient_variance.repeats": _whole(2),
    "dirichlet.replicates": _whole(2),
    "von_mises.replicates": _whole(2),
    "measurement.points": _whole(1),
    "measurement.blocks": _whole(1),
    "measurement.dtype": _one_of("float32", "float64"),
    "measurement.elements": _whole(10),  # each shape alone is timed with a tenth of them
    "measurement.rounds": _whole(1),
}

# torch chooses the threads; a data set without topics is refused by its name
NULLABLE = ("threads", "model.topics")

_ABSENT = object()


def check_values(config: Mapping[str, Any]) -> None:
    """Checks the values of a resolved config that have a rule; keys that it does not have are passed over.

    Raises:
        UserError: a value cannot be; the message says what can.
    """
    for key, (words, holds) in RULES.items():
        value: Any = config
        for part in key.split("."):
            value = value.get(part, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        if value is not _ABSENT and not holds(value) and not (value is None and key in NULLABLE):
            shown = f"'{value}'" if isinstance(value, str) else json.dumps(value)
            raise UserError(f"{key} must be {words}, not {shown}.")
