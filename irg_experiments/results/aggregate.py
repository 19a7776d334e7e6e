"""Repetitions of one configuration: which records they are, their mean and spread, and the command that repeats them."""

import itertools
import re
import shlex
import statistics
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from irg_experiments.results.record import Record, code_of


def repetitions(records: Iterable[Record]) -> list[list[Record]]:
    """Records in groups that differ in the seed alone, each seed once per group, in the order of the seeds.

    Records of the same configuration and code count once, the newest. Where one seed was run by different code, the groups are
    told apart: the n-th group holds the n-th newest run of each seed.
    """
    by_group: dict[str, dict[int, dict[str, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record in sorted(records, key=lambda record: record["started"]):
        by_group[record["group"]][record["seed"]][code_of(record)] = record
    found = []
    for seeds in by_group.values():
        newest_first = {
            seed: sorted(runs.values(), key=lambda record: record["started"], reverse=True) for seed, runs in seeds.items()
        }
        for number in range(max(map(len, newest_first.values()))):
            found.append([runs[number] for _, runs in sorted(newest_first.items()) if number < len(runs)])
    return found


def code_note(records: Sequence[Record], groups: Sequence[Sequence[Record]]) -> str:
    """The code of the records, in brackets, where another group of the same configuration was made by other code."""
    same = [group for group in groups if group[0]["group"] == records[0]["group"]]
    return f" ({', '.join(dict.fromkeys(map(code_of, records)))})" if len(same) > 1 else ""


def options_that_differ(
    records: Sequence[Record], groups: Sequence[Sequence[Record]], shown: Sequence[str], untold: Container[str]
) -> str:
    """The options, in brackets, in which a configuration differs from others that a table would show alike; empty if none.

    Args:
        records: repetitions of the configuration.
        groups: of all configurations.
        shown: the fields of a record by which a table tells configurations apart.
        untold: keys of the config, as dotted paths, that are not looked at.
    """
    mine = _leaves(records[0]["config"])
    alike = [_leaves(it[0]["config"]) for it in groups if all(it[0].get(name) == records[0].get(name) for name in shown)]
    keys = [key for key in mine if key not in untold and any(other.get(key) != mine[key] for other in alike)]
    return f" ({', '.join(f'{key}={mine[key]}' for key in keys)})" if keys else ""


def _leaves(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves = {}
    for key, value in config.items():
        leaves.update(_leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return leaves


def by_number(label: str) -> list[tuple[int, str]]:
    """A key that sorts labels as people do, the whole numbers in them by size: B = 5 before B = 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", label)]


def numbered(name: str, others: Container[str]) -> str:
    """The name, followed by a number where others have it already: other options, or other code."""
    names = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
    return next(candidate for candidate in names if candidate not in others)


# numbers from here on are written with an exponent
LONGEST = 1e7


def spread(values: Sequence[float | None], digits: int = 1) -> str:
    """Mean ± standard deviation over runs; the value alone when there is one; "not finite" if a value is not."""
    finite = [value for value in values if value is not None]
    if len(finite) < len(values) or not finite:
        return "not finite"
    mean = statistics.fmean(finite)
    style = f".{digits}f" if abs(mean) < LONGEST else ".1e"
    return f"{mean:{style}}" if len(finite) == 1 else f"{mean:{style}} ± {statistics.stdev(finite):{style}}"


def command(records: Sequence[Record]) -> str:
    """The command that repeats all of the records."""
    words = [word for word in shlex.split(records[0]["command"])[1:] if not word.startswith("seed=")]
    seeds = ",".join(str(record["seed"]) for record in records)
    return shlex.join(["irg-run", *(["-m"] if len(records) > 1 else []), *words, f"seed={seeds}"])
