"""Relative error and time of dz/dφ by every way to compute it, against reference values of mpmath."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.errors import UserError
from irg_experiments.estimators import finite_difference, knowles
from irg_experiments.experiments.accuracy_baselines import (
    beta_autodiff,
    gamma_autodiff,
    student_t_autodiff,
    von_mises_autodiff,
)
from irg_experiments.experiments.accuracy_peers import gamma_peers
from irg_experiments.experiments.methods import ALL
from irg_experiments.experiments.result import Measured
from irg_experiments.implicit import special
from irg_experiments.results import figures
from irg_experiments.results.console import wide_console
from irg_experiments.results.tables import ACCURACY_ABSOLUTE_HEADER, ACCURACY_HEADER, accuracy_absolute_rows, accuracy_rows

# made by tests/truth/accuracy.py: distribution -> "paper" or "wide" -> rows [parameter, ..., z, derivative]
TRUTH = Path(__file__).parent / "truth" / "accuracy.json"
DTYPES = {"float32": torch.float32, "float64": torch.float64}

Derivative = Callable[..., Tensor]


def methods() -> dict[str, dict[str, Derivative]]:
    """dz/d(first parameter) by distribution and method, as functions of the parameters and z.

    The Beta stands for the Dirichlet as well: a component θ_k is Beta(α_k, Σα − α_k), and torch's derivative is that of θ_k.
    """
    return {
        "Gamma": {
            "automatic differentiation": gamma_autodiff,
            "implicit": special.gamma_sample_grad,
            "finite difference": lambda a, z: z * finite_difference.log_gamma_slope(a, z.log()),
            "torch (J & O 2018)": torch._standard_gamma_grad,
            "Knowles 2015": lambda a, z: z * knowles.log_gamma_slope(a, z.log()),
            **gamma_peers(),
        },
        "Beta": {
            "automatic differentiation": beta_autodiff,
            "implicit": lambda a, b, z: special.beta_sample_grad(a, b, z)[0],
            "finite difference": lambda a, b, z: finite_difference.sample_slope(
                implicit.Beta(a, b, validate_args=False), "concentration1", z
            ),
            # the function multiplies z by 1 − z of its own accord
            "torch (J & O 2018)": lambda a, b, z: torch._dirichlet_grad(z, a, a + b) * (1 - z),
        },
        "Student-t": {
            "automatic differentiation": student_t_autodiff,
            "implicit": special.student_t_sample_grad,
            "finite difference": lambda df, t: finite_difference.sample_slope(
                implicit.StudentT(df, torch.zeros_like(df), torch.ones_like(df), validate_args=False), "df", t
            ),
        },
        "von Mises": {
            "automatic differentiation": von_mises_autodiff,
            "implicit": special.von_mises_sample_grad,
            "finite difference": finite_difference.angle_slope,
        },
    }


@dataclass
class Case:
    """One method at one distribution in one precision; errors by kind of points, and seconds an element by first parameter."""

    distribution: str
    method: str
    dtype: str
    derivative: Derivative
    errors: dict[str, Tensor] = field(default_factory=dict)
    seconds: dict[float | None, list[float]] = field(default_factory=dict)

    def measure_errors(self, kind: str, rows: Tensor) -> None:
        """Of rows in float64, whose arguments any dtype holds; what is not finite counts as an error of 1."""
        *arguments, truth = rows.unbind(-1)
        value = self.derivative(*(argument.to(DTYPES[self.dtype]) for argument in arguments)).double()
        self.errors[kind] = ((value - truth) / truth).abs().nan_to_num(nan=1.0, posinf=1.0)

    def time_once(self, key: float | None, arguments: Sequence[Tensor], count: bool = True) -> None:
        """One evaluation; ``key`` is the first parameter, or None for all of them mixed."""
        start = time.perf_counter()
        self.derivative(*arguments)
        if count:
            self.seconds.setdefault(key, []).append((time.perf_counter() - start) / len(arguments[0]))

    def nanoseconds(self, key: float | None = None) -> float:
        """The median time of an element."""
        return 1e9 * statistics.median(self.seconds[key])


class AccuracyExperiment:
    """The experiment of configs/experiment/accuracy.yaml."""

    named_by: tuple[str, ...] = ("method.name",)

    def __init__(self, config: Any, device: torch.device) -> None:
        if config.method.name != ALL:
            raise UserError(f"experiment=accuracy compares methods side by side: leave out method={config.method.name}.")
        self.measurement, self.compile = config.measurement, config.compile
        self.truth = {
            name: {kind: torch.tensor(rows, dtype=torch.float64) for kind, rows in kinds.items()} for name, kinds in _truth()
        }
        self.cases = [
            Case(distribution, method, dtype, derivative)
            for distribution, derivatives in methods().items()
            for dtype in DTYPES
            for method, derivative in derivatives.items()
        ]

    def run(self, directory: Path) -> Measured:
        """Errors first, then times: of all shapes mixed, and of each alone."""
        start = time.perf_counter()
        if self.compile != "off":
            implicit.set_compile("on")  # compiled from the first element on, not after a million
        with torch.no_grad():
            for case in self.cases:
                for kind, rows in self.truth[case.distribution].items():
                    case.measure_errors(kind, rows)
            for distribution, kinds in self.truth.items():
                self._time(distribution, kinds["paper"])
        return Measured(_summary(self.cases), time.perf_counter() - start)

    def _time(self, distribution: str, rows: Tensor) -> None:
        shapes: list[float | None] = [None, *rows[:, 0].unique().tolist()]
        for key in shapes:
            chosen = rows if key is None else rows[rows[:, 0] == key]
            elements = self.measurement.elements if key is None else self.measurement.elements // 10
            repeated = chosen.repeat(-(-elements // len(chosen)), 1)[:elements]
            for number in range(self.measurement.rounds + 1):
                for case in self.cases:
                    if case.distribution == distribution:
                        arguments = [column.to(DTYPES[case.dtype]).contiguous() for column in repeated.unbind(-1)[:-1]]
                        case.time_once(key, arguments, count=number > 0)

    def show(self, directory: Path, record: dict[str, Any]) -> None:
        """Prints both tables and writes the figures of error and time against shape."""
        console = wide_console(140)
        for title, header, rows in (
            ("Mean relative error and time of dz/dφ, as multiples", ACCURACY_HEADER, accuracy_rows([record])),
            ("Relative error and nanoseconds", ACCURACY_ABSOLUTE_HEADER, accuracy_absolute_rows([record])),
        ):
            table = Table(*header, title=title, title_justify="left")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for dtype in DTYPES:
            cases = [case for case in self.cases if case.dtype == dtype]
            folder = directory / "figures"
            for name, quantity, curve in (
                ("error", f"mean relative error, {dtype}", self._error_by_shape),
                ("time", f"nanoseconds an element, {dtype}", _time_by_shape),
            ):
                panels: dict[str, dict[str, dict[float, float]]] = {}
                for case in cases:
                    panels.setdefault(case.distribution, {})[case.method] = curve(case)
                path = figures.by_shape(folder / f"{name}_{dtype}.png", panels, quantity)
                console.print(f"{path}", highlight=False, soft_wrap=True)

    def _error_by_shape(self, case: Case) -> dict[float, float]:
        shapes, errors = self.truth[case.distribution]["paper"][:, 0], case.errors["paper"]
        smallest = torch.finfo(DTYPES[case.dtype]).eps / 100  # zero has no logarithm
        return {shape: max(errors[shapes == shape].mean().item(), smallest) for shape in shapes.unique().tolist()}


def _time_by_shape(case: Case) -> dict[float, float]:
    return {key: case.nanoseconds(key) for key in case.seconds if key is not None}


def _truth() -> list[tuple[str, dict[str, list[list[float]]]]]:
    return list(json.loads(TRUTH.read_text()).items())


def _summary(cases: Sequence[Case]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    summary: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for case in cases:
        values = {"nanoseconds": case.nanoseconds()}
        for kind, errors in case.errors.items():
            values[f"{kind}_mean"] = errors.mean().item()
            values[f"{kind}_median"] = errors.median().item()
            values[f"{kind}_worst"] = errors.max().item()
        rounded = {name: float(f"{value:.3g}") for name, value in values.items()}
        summary.setdefault(case.distribution, {}).setdefault(case.method, {})[case.dtype] = rounded
    return summary
