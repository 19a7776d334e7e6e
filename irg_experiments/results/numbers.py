"""Numbers for people: three digits in tables, six in files."""

import math
from collections.abc import Sequence


def three_digits(value: float | None) -> str:
    """Three significant digits, in plain notation where that is short; None stands for a value that is not finite."""
    if value is None:
        return "not finite"
    if value == 0 or not 1e-3 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def multiple(value: float | None) -> str:
    """A ratio, to three significant digits."""
    return three_digits(value) if value is None else f"{three_digits(value)}×"


def significant(value: float, digits: int = 6) -> float | None:
    """The value rounded to so many significant digits; None if it is not finite, as JSON has no such number."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def standard_deviation(values: Sequence[float]) -> float:
    """√(Σ(x − x̄)² / (n − 1)) of n > 1 values; statistics.stdev computes it in exact fractions, fifty times as slowly."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
