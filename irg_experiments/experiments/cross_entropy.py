"""Variance of one-sample gradients of a cross-entropy, of every method that can estimate them."""

import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator, supports
from irg_experiments.experiments.methods import make_estimators
from irg_experiments.experiments.result import Measured
from irg_experiments.experiments.sweeps import Sweep, dirichlet_sweep, von_mises_sweep
from irg_experiments.results import figures
from irg_experiments.results.console import wide_console
from irg_experiments.results.tables import CROSS_ENTROPY_HEADER, cross_entropy_rows

CURVES = "curves.json"


@dataclass
class Curve:
    """The gradients of one method over one sweep, block by block: their sums of powers, and the seconds they took."""

    sweep: Sweep
    label: str
    estimator: Estimator
    replicates: int  # a block
    count: int = 0
    deviation: Tensor = field(default_factory=lambda: torch.zeros(()))  # from the exact gradient, summed
    square: Tensor = field(default_factory=lambda: torch.zeros(()))
    seconds: list[float] = field(default_factory=list)  # a sample

    def add(self) -> None:
        """Takes a block of one-sample gradients at every point."""
        start = time.perf_counter()
        gradients = one_sample_gradients(self.estimator, self.sweep, self.replicates)
        _wait_for(gradients.device)
        self.seconds.append((time.perf_counter() - start) / gradients.numel())
        deviation = gradients.double() - self.sweep.exact.double()
        self.count += self.replicates
        self.deviation = self.deviation + deviation.sum(0)
        self.square = self.square + deviation.square().sum(0)

    def variance(self) -> Tensor:
        """At each point."""
        return (self.square - self.deviation.square() / self.count) / (self.count - 1)

    def z_score(self) -> Tensor:
        """Of the mean against the exact gradient, at each point."""
        return self.deviation / (self.variance() * self.count).sqrt()

    def pooled_z_score(self) -> float:
        """Of the mean over all points. At single points, heavy tails make a z-score lopsided; over all they do so less."""
        return (self.deviation.sum() / (self.variance().sum() * self.count).sqrt()).item()


class CrossEntropyExperiment:
    """The experiment of configs/experiment/cross_entropy.yaml."""

    named_by: tuple[str, ...] = ("method.name",)

    def __init__(self, config: Any, device: torch.device) -> None:
        self.measurement = config.measurement
        arguments = (self.measurement.points, getattr(torch, self.measurement.dtype), device)
        sweeps = {
            dirichlet_sweep(config.dirichlet, *arguments): config.dirichlet.replicates,
            von_mises_sweep(config.von_mises, *arguments): config.von_mises.replicates,
        }
        estimators = make_estimators(config.method, list(self.measurement.augmentations))
        blocks = self.measurement.blocks
        self.curves = [
            curve
            for sweep, replicates in sweeps.items()
            for curve in curves_of(sweep, estimators, max(replicates // blocks, 1))
        ]
        if not self.curves:
            names = " or ".join(sweep.name for sweep in sweeps)
            raise UserError(
                f"method={config.method.name} cannot differentiate samples of {names}. method=all shows those that can."
            )

    def run(self, directory: Path) -> Measured:
        """Estimates all curves, the methods in turns."""
        start = time.perf_counter()
        for curve in self.curves:  # what is done once, such as compiling, is not timed
            one_sample_gradients(curve.estimator, curve.sweep, curve.replicates)
        for _ in range(self.measurement.blocks):
            for curve in self.curves:
                curve.add()
        (directory / CURVES).write_text(json.dumps([_points(curve) for curve in self.curves]) + "\n")
        return Measured(_summary(self.curves), time.perf_counter() - start)

    def show(self, directory: Path, record: dict[str, Any]) -> None:
        """Prints the table and writes the figure, a panel for each distribution."""
        console = wide_console(110)
        counts = {curve.sweep.name: curve.count for curve in self.curves}
        rows = cross_entropy_rows([record])
        for distribution in dict.fromkeys(row[0] for row in rows):
            title = f"{distribution}, {counts[distribution]:,} one-sample gradients of the cross-entropy at each point"
            table = Table(title=title, title_justify="left")
            for header in CROSS_ENTROPY_HEADER[1:]:
                table.add_column(header, justify="left" if header == "method" else "right")
            for row in rows:
                if row[0] == distribution:
                    table.add_row(*row[1:])
            console.print(table)
        panels: dict[str, figures.Panel] = {}
        for curve in self.curves:
            s = curve.sweep
            panel = panels.setdefault(s.name, figures.Panel(s.axis, s.logarithmic, s.values.tolist(), {}))
            panel.curves[curve.label] = curve.variance().tolist()
        path = figures.variance_sweeps(directory / "figures" / "variance.png", panels)
        console.print(f"{path}", highlight=False, soft_wrap=True)


def curves_of(sweep: Sweep, estimators: dict[str, Estimator], replicates: int) -> list[Curve]:
    """A curve for each estimator that serves the family; RSVI of von Mises has no augmentation, and stands there once."""
    curves: dict[str, Curve] = {}
    for label, estimator in estimators.items():
        if supports(estimator, sweep.family):
            name = label if sweep.name == "Dirichlet" else label.split(" B=")[0]
            curves.setdefault(name, Curve(sweep, name, estimator, replicates))
    return list(curves.values())


def one_sample_gradients(estimator: Estimator, sweep: Sweep, replicates: int) -> Tensor:
    """Independent gradients of shape (replicates, points), by one backward pass: no element knows of another."""
    parameter = sweep.values.expand(replicates, -1).clone().requires_grad_()
    estimate = estimator.expectation(sweep.loss, sweep.q(parameter))
    (gradient,) = torch.autograd.grad(estimate.sum(), parameter)
    return gradient


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _summary(curves: list[Curve]) -> dict[str, dict[str, dict[str, float]]]:
    """By distribution and label: the numbers of the table. Ratios are to the implicit method, where it is there."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for curve in curves:
        reference = next((c for c in curves if c.sweep is curve.sweep and c.label == "implicit"), None)
        variance, z = curve.variance(), curve.z_score()
        values = {
            "variance": variance.log().mean().exp().item(),
            "bias_z": curve.pooled_z_score(),
            "bias_z_worst": z.abs().max().item(),
            "microseconds": 1e6 * statistics.median(curve.seconds),
        }
        if reference is not None:
            ratio = variance / reference.variance()
            values.update(ratio=ratio.log().mean().exp().item(), least_ratio=ratio.min().item(), most_ratio=ratio.max().item())
        summary.setdefault(curve.sweep.name, {})[curve.label] = {k: float(f"{v:.6g}") for k, v in values.items()}
    return summary


def _points(curve: Curve) -> dict[str, Any]:
    columns = {"parameter": curve.sweep.values, "exact": curve.sweep.exact, "variance": curve.variance(), "z": curve.z_score()}
    points = {name: [float(f"{value:.6g}") for value in column.tolist()] for name, column in columns.items()}
    return {"distribution": curve.sweep.name, "method": curve.label, **points}
