"""Numbers as a paper prints them, and which runs they stand beside."""

import functools
import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from irg_experiments.config.tree import ConfigTree


class Printed(NamedTuple):
    """A mean and its spread over runs, as printed; None where no spread is known."""

    mean: float
    spread: float | None

    def __str__(self) -> str:
        return f"{self.mean}" if self.spread is None else f"{self.mean} ± {self.spread}"


def difference(values: Sequence[float | None], printed: Printed | None, digits: int = 1) -> str:
    """The mean over runs minus the printed mean, and in brackets how many standard errors this is; – where nothing is printed.

    The standard error is √(s² / n + p²), with s the standard deviation over our n > 1 runs and p the printed spread as a whole:
    over how many runs that is may not be known, so that the true number of standard errors is larger, if anything.
    """
    finite = [value for value in values if value is not None]
    if printed is None or len(finite) < len(values) or not finite:
        return "–"
    found = statistics.fmean(finite) - printed.mean
    if len(finite) == 1 or printed.spread is None:
        return f"{found:+.{digits}f}"
    error = math.sqrt(statistics.variance(finite) / len(finite) + printed.spread**2)
    return f"{found:+.{digits}f} ({found / error:+.1f})"


def has_options_of_its_file(group: str, options: dict[str, Any], *free: str) -> bool:
    """Whether an option of a record has the values of the committed file of its name.

    Args:
        group: of the option.
        options: as recorded.
        free: keys that may differ.
    """
    usual = _options_of_its_file(group, options["name"])
    return usual is not None and all(
        usual.get(key) == value for key, value in options.items() if key not in (*free, "recommended")
    )


@functools.cache
def _options_of_its_file(group: str, name: str) -> dict[str, Any] | None:
    """The keys of an option file of the package; None if there is none. A report asks for them once per row."""
    tree = ConfigTree()
    return tree.load(group, name) if name in tree.choices(group) else None
