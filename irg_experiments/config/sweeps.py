"""Sweeps that are kept in files, ``irg-run -m +sweep=lda_table``: rows that set several keys at once, and values for each row.

A file ``sweep/<name>.yaml`` has ``params``, which are swept for every row, and ``rows``, one run of Hydra's sweeper each:

    params: {experiment: lda, data: newsgroups, seed: "0,1,2"}
    rows:
      - {method: implicit}
      - {method: rsvi, method.augmentation: 5}
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from irg_experiments.config.command_line import Arguments
from irg_experiments.config.tree import unknown
from irg_experiments.config.types import Must
from irg_experiments.config.validation import validate
from irg_experiments.errors import UserError

SWEEP = "sweep"

_Words = Annotated[
    dict[str, str],
    BeforeValidator(lambda row: {key: str(value) for key, value in row.items()} if isinstance(row, Mapping) else row),
    Must("keys with values, such as {method: rsvi, method.augmentation: 5}"),
]


class _Sweep(BaseModel):
    model_config = ConfigDict(extra="forbid")

    params: _Words = {}
    rows: Annotated[list[_Words], Field(min_length=1), Must("a list of at least one row")]


def each_row(arguments: Arguments) -> Iterator[Arguments]:
    """The command lines, without ``+sweep=``, that a command line with it stands for; another one stands for itself.

    Values on the command line replace those of ``params``. Where a row sets such a key, the command line selects the rows:
    ``method=rsvi`` leaves those of RSVI.

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
    typed = [word for word in arguments.overrides if not _sets_the_sweep(word)]
    sweep = _read(arguments, names[0])
    chosen = {word.partition("=")[0]: word.partition("=")[2] for word in typed}
    rows = [row for row in sweep.rows if all(value in chosen.get(key, value).split(",") for key, value in row.items())]
    if not rows:
        keys = [key for key in chosen if any(key in row for row in sweep.rows)]
        raise UserError(f"No row of +sweep={names[0]} has {' and '.join(f'{key}={chosen[key]}' for key in keys)}.")
    for row in rows:
        params = [f"{key}={value}" for key, value in sweep.params.items() if key not in chosen and key not in row]
        others = [word for word in typed if word.partition("=")[0] not in row]
        words = [*params, *(f"{key}={value}" for key, value in row.items()), *others]
        yield dataclasses.replace(arguments, overrides=tuple(words))


def _sets_the_sweep(word: str) -> bool:
    return word.partition("=")[0].lstrip("+") == SWEEP


def _read(arguments: Arguments, name: str) -> _Sweep:
    choices = arguments.tree.choices(SWEEP)
    if name not in choices:
        raise UserError(unknown(SWEEP, name, choices))
    loaded: Any = arguments.tree.load(SWEEP, name)
    if not isinstance(loaded, Mapping):
        raise UserError(f"{arguments.tree.path(SWEEP, name)} must have the key rows.")
    return validate(_Sweep, loaded, f"{SWEEP}={name}")
