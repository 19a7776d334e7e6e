import math
import statistics

import pytest

from irg_experiments.results.numbers import multiple, significant, standard_deviation, three_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0e+00"),
        (1e-3, "0.00100"),
        (9.99e-4, "1.0e-03"),
        (0.21789, "0.218"),
        (1.0, "1.00"),
        (-12.345, "-12.3"),
        (42553.7, "42554"),
        (1e5, "1.0e+05"),
        (None, "not finite"),
    ],
)
def test_three_digits(value: float | None, text: str):
    assert three_digits(value) == text


def test_multiples():
    assert [multiple(value) for value in (2.5, None)] == ["2.50×", "not finite"]


def test_significant_digits():
    assert significant(1234567.0) == 1234570.0
    assert significant(0.123456, 2) == 0.12
    assert [significant(value) for value in (math.nan, math.inf, -math.inf)] == [None, None, None]


@pytest.mark.parametrize("values", [[1.0, 2.0, 6.0], [1e9, 1e9 + 1], [-3.0, -3.0], [1e-12, 2e-12, 1.0]])
def test_standard_deviation(values: list[float]):
    assert standard_deviation(values) == pytest.approx(statistics.stdev(values), rel=1e-14)
