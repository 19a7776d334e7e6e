"""A number as a paper prints it."""

from typing import NamedTuple


class Printed(NamedTuple):
    """A mean and its spread over runs, as printed; None where no spread is known."""

    mean: float
    spread: float | None

    def __str__(self) -> str:
        return f"{self.mean}" if self.spread is None else f"{self.mean} ± {self.spread}"
