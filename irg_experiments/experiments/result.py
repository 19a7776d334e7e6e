"""What an experiment that measures, rather than trains, hands to its record."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """The metrics, which may be nested by what they are measured of, and how long it took."""

    metrics: dict[str, Any]
    wall_seconds: float
