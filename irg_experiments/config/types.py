"""Types of config values, each with the words of its error message. Constructors and config classes are annotated with them.

A constructor's annotations are its config schema: ``irg_experiments.config.components`` checks the options of a ``_target_``
against them, so that ranges are written once, where the value is used.
"""

import math
import os
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict


@dataclass(frozen=True)
class Must:
    """What a value must be, in words: completes "training.steps must be …"."""

    words: str


def ascending(limits: tuple[float, float]) -> tuple[float, float]:
    """The two numbers. Raises ValueError unless the smaller one comes first."""
    if not limits[0] < limits[1]:
        raise ValueError("the smaller number comes first")
    return limits


# the largest count that a float holds exactly, and more than any machine has
_MOST = 10**9

Boolean = Annotated[bool, Strict(), Must("true or false")]
Count = Annotated[int, Strict(), Field(ge=1, le=_MOST), Must("a whole number of at least 1")]
Natural = Annotated[int, Strict(), Field(ge=0, le=_MOST), Must("a whole number of at least 0")]
# torch.manual_seed takes 64 bits, NumPy's legacy generator 32
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**32), Must("a whole number from 0 to 4294967295")]
Real = Annotated[float, Strict(), Field(allow_inf_nan=False), Must("a number")]
Positive = Annotated[float, Strict(), Field(gt=0, lt=math.inf, allow_inf_nan=False), Must("a positive number")]
Fraction = Annotated[float, Strict(), Field(ge=0, lt=1, allow_inf_nan=False), Must("a number of at least 0 and below 1")]
Widths = Annotated[list[Count], Field(min_length=1), Must("a list of whole numbers of at least 1, such as [300, 300]")]
_Limit = Annotated[float, Strict(), Field(ge=1e-30, le=1e30)]
# within the range of float32
Limits = Annotated[
    tuple[_Limit, _Limit],
    AfterValidator(ascending),
    Must("two numbers from 1e-30 to 1e30, the smaller first, such as [1.0e-3, 1.0e3]"),
]
# part of a folder's name: no separators, no leading dot
Name = Annotated[
    str,
    Strict(),
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=60),
    Must("a name of at most 60 letters, digits, '_', '-', '+' and '.'"),
]
# torch chooses the number when it is null
Threads = Annotated[Annotated[int, Strict(), Field(ge=1, le=1024)] | None, Must("a whole number from 1 to 1024, or null")]
# of float32 products, as torch.set_float32_matmul_precision takes it
Precision = Annotated[Literal["highest", "high", "medium"], Must("highest, high or medium")]
# a leading ~ is the home folder
Folder = Annotated[str, Strict(), Field(min_length=1), AfterValidator(os.path.expanduser), Must("the path of a folder")]


class Conduct:
    """Marks a field that cannot change a result: where things are, what is repeated, how often progress is written."""


CONDUCT = Conduct()
