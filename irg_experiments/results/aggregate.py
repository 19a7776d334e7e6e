"""Repetitions of one configuration: which records they are, their mean and spread, and the command that repeats them."""

import itertools
import json
import math
import re
import shlex
import statistics
from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from irg_experiments.results.numbers import standard_deviation
from irg_experiments.results.record import Record, code_of
from irg_experiments.results.table import Table


def repetitions(records: Iterable[Record]) -> list[list[Record]]:
    """Records in groups that differ in the seed alone, each seed once per group, in the order of the seeds.

    Budget, data and the source files of a user's classes are the same in a group. Records of the same seed and code count once,
    the newest. Where one seed was run by different code, the groups are told apart: the n-th group holds the n-th newest run of
    each seed.
    """
    by_cell: dict[Hashable, dict[int, dict[str, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record in sorted(records, key=lambda record: record["started"]):
        by_cell[_cell(record)][record["seed"]][code_of(record)] = record
    found = []
    for seeds in by_cell.values():
        newest_first = {
            seed: sorted(runs.values(), key=lambda record: record["started"], reverse=True) for seed, runs in seeds.items()
        }
        for number in range(max(map(len, newest_first.values()))):
            found.append([runs[number] for _, runs in sorted(newest_first.items()) if number < len(runs)])
    return found


# in a record in memory: code that no mean is taken across, see ``apart_by_code``
APART = "apart"


def apart_by_code(record: Record) -> Record:
    """The record, which ``repetitions`` then puts into a group with runs of the same commit alone."""
    return {**record, APART: code_of(record)}


def _cell(record: Record) -> Hashable:
    """What runs must share to be averaged: even what changes no result, such as a budget's name, says what a run stands for."""
    return record["group"], *_circumstances(record).values(), record.get(APART)


def _circumstances(record: Record) -> dict[str, str]:
    """What is no part of the configuration's hash, in words; empty text where there is no such thing."""
    data = record.get("config", {}).get("data") or {}
    sources = record.get("sources", {})
    return {
        "budget": f"budget={record.get('budget')}",
        "data": str(data.get("note") or ""),
        "sources": ", ".join(f"{target} {digest}" for target, digest in sorted(sources.items())),
    }


def code_notes(groups: Sequence[Sequence[Record]]) -> list[str]:
    """Per group, in brackets, what tells it from others of the same configuration: budget, data or code; empty without any."""
    same: dict[str, list[Sequence[Record]]] = defaultdict(list)
    for records in groups:
        same[records[0]["group"]].append(records)
    return [_code_note(records, same[records[0]["group"]]) for records in groups]


def _code_note(records: Sequence[Record], same: Sequence[Sequence[Record]]) -> str:
    told = {
        name for group in same for name, words in _circumstances(group[0]).items() if words != _circumstances(records[0])[name]
    }
    words = [words for name, words in _circumstances(records[0]).items() if name in told and words]
    codes = codes_of(records)
    if any(group is not records and (not told or codes_of(group) != codes) for group in same):
        words += codes
    return f" ({', '.join(words)})" if words else ""


def codes_of(records: Sequence[Record]) -> list[str]:
    """The code that made the records, each once, in words."""
    return list(dict.fromkeys(map(code_of, records)))


def mixtures(table: Table) -> dict[int, str]:
    """The rows that average runs of several commits, by their numbers: which they are, and the commits, in words."""
    codes = {number: codes_of(records) for number, records in enumerate(table.made_of)}
    rows = {number: ", ".join(table.rows[number][: table.labels]) for number in codes}
    return {number: f"{rows[number]}: {', '.join(several)}" for number, several in codes.items() if len(several) > 1}


def notes(groups: Sequence[Sequence[Record]], shown: Callable[[Record], Hashable], untold: AbstractSet[str]) -> list[str]:
    """Per configuration, in brackets, what tells it from others that a table would show alike: options, budget, data or code.

    Args:
        groups: repetitions of all configurations.
        shown: of a record, that by which the table tells configurations apart.
        untold: keys of the config, as dotted paths, that are not looked at.
    """
    options = [options_of(records[0]["config"]) for records in groups]
    alike: dict[Hashable, list[dict[str, Any]]] = defaultdict(list)
    for records, mine in zip(groups, options, strict=True):
        alike[shown(records[0])].append(mine)
    differing = {label: _differing(others) - untold for label, others in alike.items()}
    found = []
    for records, mine, code in zip(groups, options, code_notes(groups), strict=True):
        keys = [key for key in mine if key in differing[shown(records[0])]]
        found.append((f" ({', '.join(f'{key}={_as_typed(mine[key])}' for key in keys)})" if keys else "") + code)
    return found


def _as_typed(value: Any) -> str:
    """A value as a command line has it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _differing(options: Sequence[Mapping[str, Any]]) -> set[str]:
    """The keys with more than one value; that some options lack a key, as early records do, is no difference."""
    values: dict[str, list[Any]] = defaultdict(list)
    for mine in options:
        for key, value in mine.items():
            if value not in values[key]:
                values[key].append(value)
    return {key for key, different in values.items() if len(different) > 1}


def options_of(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a config by their dotted paths, each after ``prefix``."""
    options: dict[str, Any] = {}
    for key, value in config.items():
        options.update(options_of(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return options


def by_number(label: str) -> list[tuple[int, str]]:
    """A key that sorts labels as people do, the whole numbers in them by size: B = 5 before B = 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", label)]


def numbered(name: str, others: Container[str]) -> str:
    """The name, followed by a number where others have it already: other options, or other code."""
    names = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
    return next(candidate for candidate in names if candidate not in others)


# numbers from here on are written with an exponent
LONGEST = 1e7


def spread(values: Sequence[float | None], digits: int = 1, of_the_mean: bool = False) -> str:
    """Mean ± standard deviation over runs, or ± standard error; the value alone when there is one.

    "not finite" if a value is not.
    """
    finite = [value for value in values if value is not None]
    if len(finite) < len(values) or not finite:
        return "not finite"
    mean = statistics.fmean(finite)
    style = f".{digits}f" if abs(mean) < LONGEST else ".1e"
    if len(finite) == 1:
        return f"{mean:{style}}"
    deviation = standard_deviation(finite) / (math.sqrt(len(finite)) if of_the_mean else 1)
    return f"{mean:{style}} ± {deviation:{style}}"


def command(records: Sequence[Record]) -> str:
    """The command that repeats all of the records."""
    words = [word for word in words_of(records[0])[1:] if not word.startswith("seed=")]
    seeds = ",".join(str(record["seed"]) for record in records)
    return shlex.join(["irg-run", *(["-m"] if len(records) > 1 else []), *words, f"seed={seeds}"])


def words_of(record: Record) -> list[str]:
    """The words of the command of a record."""
    line: str = record["command"]
    return shlex.split(line) if any(mark in line for mark in "'\"\\") else line.split()  # shlex is slow
