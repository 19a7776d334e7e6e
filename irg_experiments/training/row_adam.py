"""Adam for a table of which each step reads and changes a few rows."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from irg_experiments.training.optimizer import BETA1, BETA2, EPSILON

# at this step and later 1 − β2^j is 1 in float64
CORRECTED_STEPS = 40_000
# until this step b_j changes so fast with j that all rows are moved in every step, which is exact
DENSE_STEPS = 1000


class Rows(NamedTuple):
    """Rows of a table with their moments, each of shape (U, H), and their numbers (U,)."""

    numbers: Tensor
    values: Tensor
    first: Tensor
    second: Tensor


class RowAdam:
    """The updates of ``torch.optim.Adam``, with time and memory traffic of the rows that a step reads instead of all.

    Adam moves a row in every step, also while its gradient is zero, by its decaying first moment. A row that is not read need
    not be moved before it is read again. With the moments m, v after step s, the steps s + 1 to t of zero gradient move it by

        −lr · Σ_j a_j m / (b_j √v + ε),  a_j = β1^(j−s) / (1 − β1^j),  b_j = √(β2^(j−s) / (1 − β2^j)).

    ``rows`` uses −lr · A m / (b √v + ε) with A = Σ_j a_j and b = A / Σ_j (a_j / b_j), which is exact where √v is much larger
    or much smaller than ε. In between, the relative error is at most a quarter of the weighted relative variance of b_j, which
    is 2e-5 for s = 1000 and less later; the first 1,000 steps move all rows.

    Args:
        table: shape (V, H), a leaf. Between steps it holds rows of different steps, see ``current``.
        learning_rate: lr.
        compiled: whether torch compiles the formulas.
    """

    def __init__(self, table: Tensor, learning_rate: float, compiled: bool = False) -> None:
        self.table, self.learning_rate = table.detach(), learning_rate
        self.first, self.second = torch.zeros_like(self.table), torch.zeros_like(self.table)
        self.updated = torch.zeros(len(table), dtype=torch.long, device=table.device)  # the step that each row stands at
        self.step = 0
        self._stored: Tensor | None = None  # the table between steps, within ``current``
        self._sums = [tensor.to(table.device) for tensor in _sums_to_infinity()]
        self._read: Callable[..., tuple[Tensor, Tensor, Tensor]] = torch.compile(_read, dynamic=True) if compiled else _read
        self._write: Callable[..., None] = torch.compile(_write, dynamic=True) if compiled else _write

    @torch.no_grad()
    def rows(self, numbers: Tensor) -> Rows:
        """Rows as dense Adam would have them after all steps so far; the table does not change.

        Args:
            numbers: distinct row numbers, shape (U,).
        """
        coefficients = self._coefficients(self.updated[numbers]).to(self.table.dtype)
        return Rows(numbers, *self._read(self._between_steps(), self.first, self.second, numbers, coefficients))

    @torch.no_grad()
    def update(self, rows: Rows, gradient: Tensor) -> None:
        """One step of Adam, in which all other rows have gradient zero.

        Args:
            rows: what ``rows`` returned after the last step.
            gradient: with respect to ``rows.values``, shape (U, H).
        """
        self.step += 1
        root = math.sqrt(1 - BETA2**self.step)
        scalars = [self.learning_rate * root / (1 - BETA1**self.step), EPSILON * root]
        # a tensor, because torch compiles a function anew for every value of a Python number
        self._write(self.table, self.first, self.second, rows, gradient, torch.tensor(scalars, device=gradient.device))
        self.updated[rows.numbers] = self.step
        if self.step <= DENSE_STEPS:
            everything = self.rows(torch.arange(len(self.table), device=self.table.device))
            for whole, moved in zip((self.table, self.first, self.second), everything[1:], strict=True):
                whole.copy_(moved)
            self.updated.fill_(self.step)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Within the block, the table has every row as dense Adam would have it. Blocks can be nested; no step is in one."""
        if self._stored is not None:
            yield
            return
        before = self.table.clone()
        self.table.copy_(self.rows(torch.arange(len(before), device=before.device)).values)
        self._stored = before
        try:
            yield
        finally:
            self._stored = None
            self.table.copy_(before)

    def _between_steps(self) -> Tensor:
        return self.table if self._stored is None else self._stored

    def _coefficients(self, updated: Tensor) -> Tensor:
        """lr·A, A / Σ(a_j / b_j), β1^n and β2^n for the n steps that each row is behind, shape (4, U, 1), in float64."""
        # eager, because compiled code would compute those of a row again for each of its elements
        behind = (self.step - updated).double()
        # of a_j, of a_j / b_j and of the second moment, for each step behind
        decays = [(behind * math.log(factor)).exp_() for factor in (BETA1, BETA1 / math.sqrt(BETA2), BETA2)]
        # a sum over s + 1..t is the one to infinity from s minus that from t, whose terms are n steps smaller
        start, end = updated.clamp(max=CORRECTED_STEPS), min(self.step, CORRECTED_STEPS)
        a, a_over_b = (sums[start] - decay * sums[end] for sums, decay in zip(self._sums, decays, strict=False))
        b = torch.where(behind > 0, a / a_over_b, 1.0)
        return torch.stack([self.learning_rate * a, b, decays[0], decays[2]]).unsqueeze(-1)

    def state_dict(self) -> dict[str, Any]:
        """Table, moments and steps, with rows as they are stored."""
        tensors = {"table": self._between_steps(), "first": self.first, "second": self.second, "updated": self.updated}
        return {**tensors, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned; raises any exception if it belongs to another table."""
        for name in ("table", "first", "second", "updated"):
            tensor = getattr(self, name)
            if state[name].shape != tensor.shape:
                raise ValueError(f"{name} has shape {tuple(state[name].shape)}, not {tuple(tensor.shape)}")
            tensor.copy_(state[name])
        self.step = int(state["step"])


@functools.cache
def _sums_to_infinity() -> tuple[Tensor, Tensor]:
    """Σ_{j>s} a_j and Σ_{j>s} a_j / b_j for s = 0..CORRECTED_STEPS, by recursion from s = ∞."""
    tables = []
    for factor, numerator in ((BETA1, lambda j: 1.0), (BETA1 / math.sqrt(BETA2), lambda j: math.sqrt(1 - BETA2**j))):
        sums = [factor / (1 - factor)]
        for j in range(CORRECTED_STEPS, 0, -1):
            sums.append(factor * (numerator(j) / (1 - BETA1**j) + sums[-1]))
        tables.append(torch.tensor(sums[::-1], dtype=torch.float64))
    return tables[0], tables[1]


def _read(table: Tensor, first: Tensor, second: Tensor, numbers: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    shift, b, decay1, decay2 = coefficients
    values, m, v = table[numbers], first[numbers], second[numbers]
    return values - shift * m / (b * v.sqrt() + EPSILON), decay1 * m, decay2 * v


def _write(table: Tensor, first: Tensor, second: Tensor, rows: Rows, gradient: Tensor, scalars: Tensor) -> None:
    rate, epsilon = scalars
    m = torch.lerp(gradient, rows.first, BETA1)
    v = BETA2 * rows.second + (1 - BETA2) * gradient.square()
    table.index_copy_(0, rows.numbers, rows.values - rate * m / (v.sqrt() + epsilon))
    first.index_copy_(0, rows.numbers, m)
    second.index_copy_(0, rows.numbers, v)
