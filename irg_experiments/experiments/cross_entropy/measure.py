"""One-sample gradients of a cross-entropy by every method that can differentiate samples of the distribution."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from irg_experiments.config.components import Component, build, check_makes
from irg_experiments.config.tree import ConfigTree
from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator, Implicit, supports
from irg_experiments.experiments.choices import methods_for
from irg_experiments.experiments.cross_entropy.config import CrossEntropyConfig, per_block
from irg_experiments.experiments.cross_entropy.sweeps import Sweep, dirichlet_sweep, von_mises_sweep
from irg_experiments.results.numbers import significant


@dataclass
class Curve:
    """The gradients of one method over one sweep.

    Attributes:
        sweep, label, estimator: what is measured.
        replicates: gradients per point and block.
        count: gradients per point so far.
        deviation: from the exact gradient, summed over the gradients, shape (points,).
        square: squared deviations, summed.
        seconds: per gradient, one value per block.
    """

    sweep: Sweep
    label: str
    estimator: Estimator
    replicates: int
    count: int = 0
    deviation: Tensor = field(default_factory=lambda: torch.zeros(()))
    square: Tensor = field(default_factory=lambda: torch.zeros(()))
    seconds: list[float] = field(default_factory=list)

    @property
    def is_reference(self) -> bool:
        """Whether this is the implicit method, whose variance the others are compared with."""
        return type(self.estimator) is Implicit

    def add(self) -> None:
        """Computes a block of one-sample gradients at every point."""
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
        """Of the mean over all points, whose distribution is nearer to the normal one than at a point with heavy tails."""
        return (self.deviation.sum() / (self.variance().sum() * self.count).sqrt()).item()

    def metrics(self, reference: "Curve | None") -> dict[str, float]:
        """The numbers of the table; ratios are those to the variance of the reference, if there is one."""
        variance = self.variance()
        values = {
            "variance": variance.log().mean().exp().item(),
            "bias_z": self.pooled_z_score(),
            "bias_z_worst": self.z_score().abs().max().item(),
            "microseconds": 1e6 * statistics.median(self.seconds),
        }
        if reference is not None:
            ratio = variance / reference.variance()
            values.update(ratio=ratio.log().mean().exp().item(), least_ratio=ratio.min().item(), most_ratio=ratio.max().item())
        return {name: float(f"{value:.6g}") for name, value in values.items()}

    def points(self) -> dict[str, Any]:
        """What the figure is drawn from: a list per quantity, one number per point."""
        columns = {
            "parameter": self.sweep.values,
            "exact": self.sweep.exact,
            "variance": self.variance(),
            "z": self.z_score(),
        }
        numbers = {name: [significant(value) for value in column.tolist()] for name, column in columns.items()}
        return {"distribution": self.sweep.name, "method": self.label, "reference": self.is_reference, **numbers}


class Comparison:
    """The methods of the config on both distributions.

    Args:
        config: of the experiment.
        device: where tensors are.
        tree: the option files.

    Raises:
        UserError: a method cannot differentiate samples of either distribution, or has a bad option.
    """

    def __init__(self, config: CrossEntropyConfig, device: torch.device, tree: ConfigTree) -> None:
        if device.type == "mps":
            raise UserError("experiment=cross_entropy sums in float64, which MPS devices lack. Choose device=cpu.")
        m = config.measurement
        self.blocks = m.blocks
        shared = (m.points, getattr(torch, m.dtype), device)
        replicates = {
            dirichlet_sweep(config.dirichlet, *shared): config.dirichlet.replicates,
            von_mises_sweep(config.von_mises, *shared): config.von_mises.replicates,
        }
        self.estimators = _estimators(config, tree)
        _check_support(config.methods, self.estimators, list(replicates), tree)
        self.curves = [
            curve
            for sweep, number in replicates.items()
            for curve in curves_of(sweep, self.estimators, per_block(number, m.blocks))
        ]

    def run(self) -> None:
        """Computes all gradients, the methods in turns."""
        for curve in self.curves:  # what happens once, such as compiling, is not timed
            one_sample_gradients(curve.estimator, curve.sweep, curve.replicates)
        for _ in range(self.blocks):
            for curve in self.curves:
                curve.add()

    def metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """By distribution and label: see ``Curve.metrics``."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for curve in self.curves:
            reference = next((it for it in self.curves if it.sweep is curve.sweep and it.is_reference), None)
            found.setdefault(curve.sweep.name, {})[curve.label] = curve.metrics(reference)
        return found

    def points(self) -> list[dict[str, Any]]:
        """Of every curve: see ``Curve.points``."""
        return [curve.points() for curve in self.curves]


def curves_of(sweep: Sweep, estimators: Sequence[Estimator], replicates: int) -> list[Curve]:
    """A curve per estimator that supports the family; those that are the same for this family once.

    Raises:
        UserError: different methods have the same label.
    """
    curves: dict[str, Curve] = {}
    for estimator in estimators:
        if supports(estimator, sweep.family):
            label = estimator.label_for(sweep.family)
            curve = curves.setdefault(label, Curve(sweep, label, estimator, replicates))
            if type(curve.estimator) is not type(estimator):
                raise UserError(f"Two of the methods have the same label, '{label}': rename one of them.")
    return list(curves.values())


def one_sample_gradients(estimator: Estimator, sweep: Sweep, replicates: int) -> Tensor:
    """Independent gradients of shape (replicates, points), by one backward pass: no element depends on another."""
    parameter = sweep.values.expand(replicates, -1).clone().requires_grad_()
    estimate = estimator.expectation(sweep.loss, sweep.q(parameter))
    (gradient,) = torch.autograd.grad(estimate.sum(), parameter)
    return gradient


def _estimators(config: CrossEntropyConfig, tree: ConfigTree) -> list[Estimator]:
    found = []
    for number, method in enumerate(config.methods):
        section = f"methods[{number}]" if config.method is None else "method"
        check_makes(method, section, Estimator)
        found.append(build(method, section))
    return found


def _check_support(
    methods: Sequence[Component], estimators: Sequence[Estimator], sweeps: Sequence[Sweep], tree: ConfigTree
) -> None:
    for method, estimator in zip(methods, estimators, strict=True):
        if not any(supports(estimator, sweep.family) for sweep in sweeps):
            names = " or ".join(sweep.name for sweep in sweeps)
            able = sorted({name for sweep in sweeps for name in methods_for(sweep.family, tree)})
            raise UserError(
                f"method={method.name} cannot differentiate samples of {names}. Methods that can: {', '.join(able)}."
            )


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
