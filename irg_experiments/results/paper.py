"""Numbers as a paper prints them, and which runs they stand beside."""

from typing import Any, NamedTuple

from irg_experiments.config.tree import ConfigTree


class Printed(NamedTuple):
    """A mean and its spread over runs, as printed; None where no spread is known."""

    mean: float
    spread: float | None

    def __str__(self) -> str:
        return f"{self.mean}" if self.spread is None else f"{self.mean} ± {self.spread}"


def has_options_of_its_file(group: str, options: dict[str, Any], *free: str) -> bool:
    """Whether an option of a record has the values of the committed file of its name.

    Args:
        group: of the option.
        options: as recorded.
        free: keys that may differ.
    """
    tree = ConfigTree()
    if options["name"] not in tree.choices(group):
        return False
    usual = tree.load(group, options["name"])
    return all(usual.get(key) == value for key, value in options.items() if key not in (*free, "recommended"))
