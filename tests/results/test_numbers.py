import math

import pytest

from irg_experiments.results.numbers import multiple, significant, three_digits


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
