"""Sweeps that are kept in files, ``irg-run -m +sweep=lda_table``: rows that set several keys at once, and values for each row.

A file ``sweep/<name>.yaml`` has ``params``, which are swept for every row, and ``rows``, one run of Hydra's sweeper each:

    params: {experiment: lda, data: newsgroups, seed: "0,1,2"}
    rows:
      - {method: implicit}
      - {method: rsvi, method.augmentation: 5}

With a section ``search``, runs are chosen among the swept values to minimise the validation metric:

    search: {trials: 20}
    params: {experiment: vae, training.learning_rate: "tag(log, interval(1e-4, 1e-2))"}
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from irg_experiments.config.command_line import Arguments
from irg_experiments.config.search import Search
from irg_experiments.config.tree import SWEEP, unknown
from irg_experiments.config.types import Must
from irg_experiments.config.validation import Misfit, validate
from irg_experiments.errors import UserError


def _in_hydras_grammar(row: Any) -> Any:
    """The values of a row as words of a command line; text is one already."""
    if not isinstance(row, Mapping):
        return row
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()}


# the words of a command line, by key
Words = Annotated[
    dict[str, str],
    BeforeValidator(_in_hydras_grammar),
    Must("keys with values, such as {method: rsvi, method.augmentation: 5}"),
]


class _Sweep(BaseModel):
    model_config = ConfigDict(extra="forbid")

    params: Words = {}
    rows: Annotated[list[Words], Field(min_length=1), Must("a list of at least one row")] = [{}]
    search: Search | None = None

    @model_validator(mode="after")
    def _runs_something(self) -> Self:
        if not self.params and not any(self.rows):
            raise Misfit("is empty: it must have the key params or rows.")
        if self.search is not None and len(self.rows) > 1:
            raise Misfit("has rows and a search: a search chooses among the values of params.")
        return self


def each_row(arguments: Arguments) -> Iterator[Arguments]:
    """The command lines, without ``+sweep=``, that a command line with it stands for; another one stands for itself.

    Values on the command line replace those of ``params``. A key that rows set selects rows in place of that: ``method=rsvi``
    leaves those of RSVI, ``method.augmentation=5`` those that have this augmentation.

    Raises:
        UserError: there is no such file, or it does not fit; -m is missing; no row has the selected values.
    """
    names = [word.partition("=")[2] for word in arguments.overrides if _sets_the_sweep(word)]
    if not names:
        yield arguments
        return
    if len(names) > 1:
        raise UserError(f"+sweep is given {len(names)} times: run one sweep after the other.")
    if not arguments.sweep:
        raise UserError(f"+sweep={names[0]} is several runs: add -m.")
    sweep = _read(arguments, names[0])
    typed = [word for word in arguments.overrides if not _sets_the_sweep(word)]
    search, typed = _search(sweep, names[0], typed)
    chosen = {key_of(word): word.partition("=")[2] for word in typed}
    selecting = {key: _values(key, value, sweep.rows) for key, value in chosen.items() if any(key in row for row in sweep.rows)}
    for key, values in selecting.items():
        there = list(dict.fromkeys(row[key] for row in sweep.rows if key in row))
        for value in values:
            if not any(_equal(value, other) for other in there):
                raise UserError(f"No row of +sweep={names[0]} has {key}={value}; there are {', '.join(there)}.")
    rows = [row for row in sweep.rows if all(_has(row, key, values) for key, values in selecting.items())]
    if not rows:
        raise UserError(f"No row of +sweep={names[0]} has {' and '.join(f'{key}={chosen[key]}' for key in selecting)}.")
    for row in rows:
        params = [f"{key}={value}" for key, value in sweep.params.items() if key not in chosen and key not in row]
        others = [word for word in typed if key_of(word) not in row]
        words = [*params, *(f"{key}={value}" for key, value in row.items()), *others]
        yield dataclasses.replace(arguments, overrides=tuple(words), search=search)


def _values(key: str, typed: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The values between commas, unless the whole is a value of a row, such as a list."""
    return [typed] if any(_has(row, key, [typed]) for row in rows) else typed.split(",")


def _has(row: Mapping[str, str], key: str, values: Sequence[str]) -> bool:
    return key in row and any(_equal(row[key], value) for value in values)


def _equal(first: str, second: str) -> bool:
    """Whether two words are the same value: 0.002 is 2.0e-3."""
    return first == second or _number_or_list(first) == _number_or_list(second) is not None


def _number_or_list(word: str) -> Any:
    """The number or list that a word stands for; None for other words."""
    try:
        value = json.loads(word)
    except ValueError:
        return None
    return None if isinstance(value, bool) else value


def _search(sweep: _Sweep, name: str, typed: list[str]) -> tuple[Search | None, list[str]]:
    """The section ``search`` with the values that were typed, such as ``search.trials=50``, and the other words."""
    if sweep.search is None:
        return None, typed
    values = {key_of(word).partition(".")[2]: word.partition("=")[2] for word in typed if _is_of_search(word)}
    numbers = {key: int(value) if value.isdecimal() else value for key, value in values.items()}
    others = [word for word in typed if not _is_of_search(word)]
    return validate(Search, {**sweep.search.model_dump(), **numbers}, "search"), others


def key_of(word: str) -> str:
    """The key that a word of a command line sets."""
    return word.partition("=")[0].lstrip("+")


def _is_of_search(word: str) -> bool:
    return key_of(word).startswith("search.")


def _sets_the_sweep(word: str) -> bool:
    return key_of(word) == SWEEP


def _read(arguments: Arguments, name: str) -> _Sweep:
    choices = arguments.tree.choices(SWEEP)
    if name not in choices:
        raise UserError(unknown(SWEEP, name, choices))
    loaded: Any = arguments.tree.load(SWEEP, name)
    if not isinstance(loaded, Mapping):
        raise UserError(f"{arguments.tree.path(SWEEP, name)} must have the key params or rows.")
    return validate(_Sweep, loaded, f"{SWEEP}={name}")
