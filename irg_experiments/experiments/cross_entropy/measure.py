"""One-sample gradients of a cross-entropy by every method that can differentiate samples of the distribution."""

import copy
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from irg_experiments.config.components import Component, build, check_makes
from irg_experiments.config.tree import ConfigTree
from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator, Implicit, supports
from irg_experiments.experiments.choices import check_num_samples, methods_for
from irg_experiments.experiments.cross_entropy.config import CrossEntropyConfig, per_block
from irg_experiments.experiments.cross_entropy.results import VARIANTS
from irg_experiments.experiments.cross_entropy.sweeps import Sweep, dirichlet_sweep, von_mises_sweeps
from irg_experiments.results.numbers import significant
from irg_experiments.training.compilation import allow_compilations, loss_and_grad

log = logging.getLogger(__name__)

# values of the parameter, and what is subtracted from f, both of shape (replicates, points) -> gradients of that shape
Step = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Curve:
    """The gradients of one method over one sweep.

    Attributes:
        sweep, method, estimator: what is measured; ``method`` is the estimator's label.
        replicates: gradients per point and block.
        step: computes them.
        subtracted: from f, a key of ``VARIANTS``.
        constant: its value at each point, shape (points,), zero until ``begin`` is called.
        count: gradients per point so far.
        deviation: from the exact gradient, summed over the gradients, shape (points,).
        square: squared deviations, summed.
        seconds: per gradient, one value per block.
    """

    sweep: Sweep
    method: str
    estimator: Estimator
    replicates: int
    step: Step
    subtracted: str = "nothing"
    constant: Tensor = field(init=False)
    count: int = 0
    deviation: Tensor = field(default_factory=lambda: torch.zeros(()))
    square: Tensor = field(default_factory=lambda: torch.zeros(()))
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.constant = torch.zeros_like(self.sweep.values)

    @property
    def label(self) -> str:
        """The row of the table."""
        return self.method + VARIANTS[self.subtracted]

    @property
    def is_reference(self) -> bool:
        """Whether this is the implicit method, whose variance the others are compared with."""
        return type(self.estimator) is Implicit

    def begin(self, blocks: int) -> None:
        """Does what happens once and is not timed, such as compiling, and finds the constant.

        Args:
            blocks: of pairs of gradients from which the best constant is estimated.
        """
        for _ in range(2):  # an estimator with a moving average is compiled without and with one
            one_sample_gradients(self.step, self.sweep, self.replicates, self.constant)
        if self.subtracted == "mean":
            self.constant = self.sweep.mean
        elif self.subtracted == "best":
            self.constant = best_constant(self.step, self.sweep, self.replicates, blocks)

    def add(self) -> None:
        """Computes a block of one-sample gradients at every point."""
        start = time.perf_counter()
        gradients = one_sample_gradients(self.step, self.sweep, self.replicates, self.constant)
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
        if self.subtracted != "nothing":
            columns["constant"] = self.constant
        numbers = {name: [significant(value) for value in column.tolist()] for name, column in columns.items()}
        names = {"distribution": self.sweep.name, "method": self.method, "subtracted": self.subtracted}
        return {**names, "reference": self.is_reference, **numbers}


class Comparison:
    """The methods of the config on all sweeps.

    Args:
        config: of the experiment.
        device: where tensors are.
        compiled: whether steps are compiled, if the config asks for it.
        tree: the option files.

    Raises:
        UserError: a method cannot differentiate samples of either distribution, or has a bad option.
    """

    def __init__(self, config: CrossEntropyConfig, device: torch.device, compiled: bool, tree: ConfigTree) -> None:
        if device.type == "mps":
            raise UserError("experiment=cross_entropy sums in float64, which MPS devices lack. Choose device=cpu.")
        m = config.measurement
        self.blocks, self.compiled = m.blocks, compiled and m.compiled == "steps"
        shared = (m.points, getattr(torch, m.dtype), device)
        replicates = {dirichlet_sweep(config.dirichlet, *shared): config.dirichlet.replicates}
        replicates |= dict.fromkeys(von_mises_sweeps(config.von_mises, *shared), config.von_mises.replicates)
        self.estimators = _estimators(config, tree)
        _check_support(config.methods, self.estimators, list(replicates), tree)
        self.curves = [
            curve
            for sweep, number in replicates.items()
            for curve in curves_of(sweep, self.estimators, per_block(number, m.blocks), m.subtracted, self.compiled)
        ]
        if self.compiled:
            allow_compilations(2 * len(self.curves))

    def run(self) -> None:
        """Computes all gradients, the methods in turns."""
        if self.compiled:
            log.info("Compiling the steps of all methods, which takes minutes.")
        for curve in self.curves:
            curve.begin(self.blocks)
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


def curves_of(
    sweep: Sweep,
    estimators: Sequence[Estimator],
    replicates: int,
    subtracted: Sequence[str] = ("nothing",),
    compiled: bool = False,
) -> list[Curve]:
    """A curve per estimator that supports the family; those that are the same for this family once.

    Args:
        sweep, estimators: what is measured.
        replicates: gradients per point and block.
        subtracted: from f, for methods whose variance depends on constants; a curve for each.
        compiled: whether steps are compiled.

    Raises:
        UserError: different methods have the same label.
    """
    found: dict[str, Estimator] = {}
    for estimator in estimators:
        if supports(estimator, sweep.family):
            label = estimator.label_for(sweep.family)
            if type(found.setdefault(label, estimator)) is not type(estimator):
                raise UserError(f"Two of the methods have the same label, '{label}': rename one of them.")
    curves = []
    for label, shared in found.items():
        estimator = copy.deepcopy(shared)  # a moving average is that of one sweep
        step = gradient_step(estimator, sweep, compiled and estimator.traceable)
        variants = subtracted if estimator.depends_on_constants else ("nothing",)
        curves += [Curve(sweep, label, estimator, replicates, step, variant) for variant in variants]
    return curves


def gradient_step(estimator: Estimator, sweep: Sweep, compiled: bool = False) -> Step:
    """Computes independent gradients, by one backward pass: no element depends on another.

    Args:
        estimator, sweep: the method, and the expectation that it differentiates.
        compiled: whether drawing, loss and gradient are compiled into one graph.
    """

    def total(parameter: Tensor, constant: Tensor) -> Tensor:
        return estimator.expectation(lambda z: sweep.loss(z) - constant, sweep.q(parameter)).sum()

    both = loss_and_grad(total, [], compiled, sweep.values.device, inputs=lambda parameter, _: [parameter], static=True)

    def step(parameter: Tensor, constant: Tensor) -> Tensor:
        _, (gradient,) = both(parameter, constant)
        return gradient

    return step


def one_sample_gradients(step: Step, sweep: Sweep, replicates: int, constant: Tensor) -> Tensor:
    """Independent gradients of shape (replicates, points).

    Args:
        step: computes them.
        sweep: gives the points.
        replicates: per point.
        constant: what is subtracted from f at each point, shape (points,).
    """
    parameter = sweep.values.expand(replicates, -1).clone().requires_grad_()
    return step(parameter, constant)


def best_constant(step: Step, sweep: Sweep, replicates: int, blocks: int) -> Tensor:
    """The constant b at each point for which gradients of f − b have the least variance, shape (points,).

    With g the gradient of f and s the score, that of f − b is g − bs, so that b = Cov(g, s)/Var(s), with E[s] = 0 and the exact
    E[g]. s is the difference that subtracting one makes to the same draw.

    Args:
        step, sweep, replicates: see ``one_sample_gradients``.
        blocks: how many times as many pairs are drawn.

    Source: Greensmith, Bartlett & Baxter (2004).
    """
    device, zero = sweep.values.device, torch.zeros_like(sweep.values)
    covariance, square = zero, zero
    for _ in range(blocks):
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            gradient = one_sample_gradients(step, sweep, replicates, zero)
        score = gradient - one_sample_gradients(step, sweep, replicates, torch.ones_like(zero))
        covariance = covariance + ((gradient - sweep.exact) * score).sum(0)
        square = square + score.square().sum(0)
    return covariance / square


def _estimators(config: CrossEntropyConfig, tree: ConfigTree) -> list[Estimator]:
    found = []
    for number, method in enumerate(config.methods):
        section = f"methods[{number}]" if config.method is None else "method"
        check_makes(method, section, Estimator)
        estimator = build(method, section)
        remedy = "This experiment measures gradients of one sample: take experiment=lda or vae with training.num_samples"
        check_num_samples(estimator, 1, f"{section}={method.name}", remedy)
        found.append(estimator)
    return found


def _check_support(
    methods: Sequence[Component], estimators: Sequence[Estimator], sweeps: Sequence[Sweep], tree: ConfigTree
) -> None:
    for method, estimator in zip(methods, estimators, strict=True):
        if not any(supports(estimator, sweep.family) for sweep in sweeps):
            names = " or ".join(dict.fromkeys(sweep.name.partition(",")[0] for sweep in sweeps))
            able = sorted({name for sweep in sweeps for name in methods_for(sweep.family, tree)})
            raise UserError(
                f"method={method.name} cannot differentiate samples of {names}. Methods that can: {', '.join(able)}."
            )


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
