"""Relative error and time of dz/dφ by every way to compute it, against reference values of mpmath."""

import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.estimators import finite_difference, knowles
from irg_experiments.experiments.accuracy.baselines import (
    beta_autodiff,
    gamma_autodiff,
    student_t_autodiff,
    von_mises_autodiff,
)
from irg_experiments.experiments.accuracy.config import Measurement
from irg_experiments.experiments.accuracy.peers import Peer, installed_peers
from irg_experiments.experiments.accuracy.results import BASELINE, DTYPES
from irg_experiments.implicit import special
from irg_experiments.implicit.private_torch import dirichlet_grad, standard_gamma_grad
from irg_experiments.results.numbers import significant

# made by tests/truth/accuracy.py: distribution -> "paper" or "wide" -> rows [parameter, ..., z, derivative]
TRUTH = Path(__file__).parent / "truth" / "accuracy.json"

Derivative = Callable[..., Tensor]


def derivatives(peers: Sequence[Peer] = ()) -> dict[str, dict[str, Derivative]]:
    """dz/d(first parameter) by distribution and method, as functions of the parameters and z.

    Beta results apply to the Dirichlet too: a component θ_k is Beta(α_k, Σα − α_k), and torch's function is that of θ_k.

    Args:
        peers: other libraries, whose labels are their names as methods.
    """
    methods: dict[str, dict[str, Derivative]] = {
        "Gamma": {
            BASELINE: gamma_autodiff,
            "implicit": special.gamma_sample_grad,
            "finite difference": lambda a, z: z * finite_difference.log_gamma_slope(a, z.log()),
            "torch (J & O 2018)": standard_gamma_grad,
            "Knowles 2015": lambda a, z: z * knowles.log_gamma_slope(a, z.log()),
        },
        "Beta": {
            BASELINE: beta_autodiff,
            "implicit": lambda a, b, z: special.beta_sample_grad(a, b, z)[0],
            "finite difference": lambda a, b, z: finite_difference.sample_slope(
                implicit.Beta(a, b, validate_args=False), "concentration1", z
            ),
            # torch's function is dθ₁/dα₁ / (1 − θ₁)
            "torch (J & O 2018)": lambda a, b, z: dirichlet_grad(z, a, a + b) * (1 - z),
        },
        "Student-t": {
            BASELINE: student_t_autodiff,
            "implicit": special.student_t_sample_grad,
            "finite difference": lambda df, t: finite_difference.sample_slope(
                implicit.StudentT(df, torch.zeros_like(df), torch.ones_like(df), validate_args=False), "df", t
            ),
        },
        "von Mises": {
            BASELINE: von_mises_autodiff,
            "implicit": special.von_mises_sample_grad,
            "finite difference": finite_difference.angle_slope,
        },
    }
    for peer in peers:
        for distribution, derivative in peer.derivatives.items():
            methods[distribution][peer.label] = derivative
    return methods


@dataclass
class Case:
    """One method for one distribution in one precision.

    Attributes:
        distribution, method, dtype, derivative: what is measured.
        errors: relative, at every point, by kind of points ("paper" or "wide").
        seconds: of processor time per element, one value per round, by first parameter; None stands for all of them mixed.
    """

    distribution: str
    method: str
    dtype: str
    derivative: Derivative
    errors: dict[str, Tensor] = field(default_factory=dict)
    seconds: dict[float | None, list[float]] = field(default_factory=dict)

    def converted(self, columns: Sequence[Tensor]) -> list[Tensor]:
        """The columns in the precision of the case."""
        return [column.to(getattr(torch, self.dtype)).contiguous() for column in columns]

    def measure_errors(self, kind: str, rows: Tensor) -> None:
        """Computes the errors at the rows [parameter, ..., z, derivative]; NaN for a value that is not finite.

        Args:
            kind: of points.
            rows: in float64; their arguments are float32 numbers, so that every precision is given the same points.
        """
        *arguments, truth = rows.unbind(-1)
        value = self.derivative(*self.converted(arguments)).double()
        errors = ((value - truth) / truth).abs()
        self.errors[kind] = torch.where(errors.isfinite(), errors, math.nan)

    def time_once(self, shape: float | None, arguments: Sequence[Tensor], count: bool = True) -> None:
        """Times one evaluation at the first parameter ``shape``; ``count`` is False for a warm-up.

        Processor time of all threads: that of one thread is the time that passes, except that other processes do not add to it.
        """
        start = time.process_time()
        self.derivative(*arguments)
        if count:
            self.seconds.setdefault(shape, []).append((time.process_time() - start) / len(arguments[0]))

    def nanoseconds(self, shape: float | None = None) -> float:
        """The median processor time per element."""
        return 1e9 * statistics.median(self.seconds[shape])

    def metrics(self) -> dict[str, float]:
        """The numbers of the tables: errors over the finite results, and the share of the others."""
        values = {"nanoseconds": self.nanoseconds()}
        for kind, errors in self.errors.items():
            finite = errors[errors.isfinite()]
            if not len(finite):
                finite = errors[:1]  # NaN, as all are
            values[f"{kind}_mean"] = finite.mean().item()
            values[f"{kind}_median"] = finite.median().item()
            values[f"{kind}_worst"] = finite.max().item()
            values[f"{kind}_not_finite"] = errors.isnan().double().mean().item()
        return {name: float(f"{value:.3g}") for name, value in values.items()}


class Comparison:
    """All methods for all distributions in both precisions.

    Args:
        measurement: of the config.

    Attributes:
        versions: of the other libraries, by module.
    """

    def __init__(self, measurement: Measurement) -> None:
        self.measurement = measurement
        self.truth = {
            name: {kind: torch.tensor(rows, dtype=torch.float64) for kind, rows in kinds.items()}
            for name, kinds in json.loads(TRUTH.read_text(encoding="utf-8")).items()
        }
        peers = installed_peers()
        self.versions = {name: version for peer in peers for name, version in peer.versions.items()}
        self.cases = [
            Case(distribution, method, dtype, derivative)
            for distribution, methods in derivatives(peers).items()
            for dtype in DTYPES
            for method, derivative in methods.items()
        ]

    @torch.no_grad()
    def run(self) -> None:
        """Measures errors first, then times: of all shapes mixed, and of each alone."""
        for case in self.cases:
            for kind, rows in self.truth[case.distribution].items():
                case.measure_errors(kind, rows)
        for distribution, kinds in self.truth.items():
            self._time(distribution, kinds["paper"])

    def _time(self, distribution: str, rows: Tensor) -> None:
        cases = [case for case in self.cases if case.distribution == distribution]
        alone = rows[:, 0].unique().tolist() if self.measurement.time_by_shape else []
        shapes: list[float | None] = [None, *alone]
        for shape in shapes:
            chosen = rows if shape is None else rows[rows[:, 0] == shape]
            elements = self.measurement.elements if shape is None else self.measurement.elements // 10
            repeated = chosen.repeat(-(-elements // len(chosen)), 1)[:elements]
            for number in range(self.measurement.rounds + 1):
                for case in cases:
                    case.time_once(shape, case.converted(repeated.unbind(-1)[:-1]), count=number > 0)

    def metrics(self) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """By distribution, method and dtype: see ``Case.metrics``."""
        found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
        for case in self.cases:
            found.setdefault(case.distribution, {}).setdefault(case.method, {})[case.dtype] = case.metrics()
        return found

    def by_shape(self) -> dict[str, Any]:
        """What the figures are drawn from: see ``read_by_shape``."""
        found: dict[str, Any] = {dtype: {} for dtype in DTYPES}
        for case in self.cases:
            all_shapes = self.truth[case.distribution]["paper"][:, 0]
            shapes = all_shapes.unique().tolist()
            numbers = {
                "shape": shapes,
                "error": [case.errors["paper"][all_shapes == shape].nanmean().item() for shape in shapes],
                "nanoseconds": [case.nanoseconds(shape) for shape in shapes if shape in case.seconds],
            }
            rounded = {name: [significant(value) for value in values] for name, values in numbers.items()}
            found[case.dtype].setdefault(case.distribution, {})[case.method] = rounded
        return found
