"""The overrides of a command line, ``key=value`` words in Hydra's grammar: checked, parsed, and what to write instead."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from irg_experiments.config.tree import GROUPS, ConfigTree, no_options, unknown, unknown_key
from irg_experiments.config.validation import dotted
from irg_experiments.errors import UserError

_KEY = re.compile(r"(\+\+|\+|~)?[\w$-]+([./][\w$-]+)*(@[\w.:-]*)?")
_BRACKETS = {"[": "]", "{": "}", "(": ")"}

Compose = Callable[[Sequence[str]], Any]


def check_word(word: str, tree: ConfigTree) -> None:
    """What a word can be seen to lack before it is parsed.

    Raises:
        UserError: it sets nothing, its key is none, or it names an option that does not exist.
    """
    name, separator, value = word.partition("=")
    if not name or not (separator or word.startswith("~")):
        group = next((group for group in GROUPS if word in tree.choices(group)), None)
        example = f"{group}={word}" if group else "experiment=lda"
        raise UserError(f"'{word}' does not say what it sets: arguments are key=value, such as {example}.")
    if not _KEY.fullmatch(name):
        raise UserError(f"'{name}' is no key: keys are names joined by dots, such as training.steps.")
    group = name.lstrip("+~").partition("@")[0]
    if separator and group in GROUPS and value[:1] in ("[", "{"):
        raise UserError(f"{name} takes one option by its name, such as {group}={tree.choices(group)[0]}, not {value}.")
    if separator and group in GROUPS and not re.search(r"[(\[{$]", value):
        for choice in value.split(","):
            if choice not in tree.choices(group):
                raise UserError(unknown(group, choice, tree.choices(group)))


def parsed(words: Sequence[str]) -> list[Any]:
    """The words as Hydra's overrides.

    Raises:
        UserError: one cannot be parsed.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    found = []
    for word in words:
        try:
            found += parser.parse_overrides([word])
        except HydraException as error:
            raise UserError(_why_unparsed(word)) from error
    return found


def _why_unparsed(word: str) -> str:
    name, _, value = word.partition("=")
    if value.startswith("="):
        return f"{word} has two equals signs: write {name}={value.lstrip('=')}."
    unquoted = re.sub(r"'(\\'|[^'])*'|\"(\\\"|[^\"])*\"", "", value)
    for opening, closing in _BRACKETS.items():
        if (missing := unquoted.count(opening) - unquoted.count(closing)) != 0:
            return f"{word} cannot be parsed: '{closing if missing > 0 else opening}' is missing in the value of {name}."
    if re.search(r"(?<!\\)['\"]", unquoted):
        return f"{word} cannot be parsed: a quote in the value of {name} is not closed."
    quoted = value.replace("'", "\\'")
    return (
        f"{word} cannot be parsed. A value with other characters than letters, digits and ./:-+%@?_ "
        f"needs quotes inside those of the shell: \"{name}='{quoted}'\"."
    )


def missed(error: Exception, words: Sequence[str], tree: ConfigTree, compose: Compose) -> str | None:
    """What to write instead of a key that Hydra did not find; None for another error.

    Args:
        error: of Hydra.
        words: the overrides that it composed.
        tree: the option files.
        compose: gives the config of overrides, with Hydra's own section.
    """
    found = re.match(r"Could not (?:override|delete) '([^']+)'", str(error))
    if found is None:
        return None
    name = found[1]
    root = name.partition(".")[0]
    group, at, _ = name.partition("@")
    config = compose([word for word in words if word.partition("=")[0] in {*GROUPS} - {name}])
    if at or "/" in group:
        groups = [choice for choice in config.hydra.runtime.choices if not choice.startswith("hydra/")]
        hint = f"Did you mean {group}? " if group in groups else ""
        return f"Unknown option group '{name}'. {hint}Valid: {', '.join(sorted(groups))}."
    keys = _keys(config)
    if root in GROUPS and root not in keys:
        able = [it for it in tree.choices("experiment") if root in _keys(compose([f"experiment={it}"]))]
        if able:
            return f"{root} goes with experiment={' or '.join(able)}: choose that, or leave out {name}."
    if root in ("budgets", "hydra"):
        keys = _keys(config, root)
    if name in keys:  # the value is a section, and the key that does not exist is in it
        inner = (dotted(it.value(), f"{name}.") for it in parsed(words) if it.key_or_group == name and _is_section(it.value()))
        name = next((key for section in inner for key in section if key not in keys), name)
    if root in GROUPS and not any(key.startswith(f"{root}.") for key in keys) and root in keys:
        return no_options(name, root)
    return unknown_key(name, keys)


def _is_section(value: Any) -> bool:
    return isinstance(value, Mapping)


def _keys(config: Any, root: str | None = None) -> list[str]:
    """The keys that a user can set: those of a root key, or all but the budgets', Hydra's, and what the option files fix."""
    from omegaconf import OmegaConf

    if root is not None:
        return dotted({root: OmegaConf.to_container(config[root])})
    plain: Any = OmegaConf.to_container(
        OmegaConf.masked_copy(config, [key for key in config if key not in ("budgets", "hydra")])
    )
    fixed = {"_target_", *(f"{group}.{key}" for group in GROUPS for key in ("_target_", "name"))}
    return [key for key in dotted(plain) if key not in fixed]
