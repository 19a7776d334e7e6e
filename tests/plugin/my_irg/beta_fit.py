"""experiment=beta_fit: fits a Beta distribution q to another one, p, by stochastic gradients of KL(q ‖ p)."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from irg_experiments.config.components import Component
from irg_experiments.config.types import Count, Positive
from irg_experiments.config.validation import Section
from irg_experiments.experiments.protocol import Experiment, ExperimentConfig, Result
from irg_experiments.results.aggregate import command, repetitions, spread
from irg_experiments.results.arrays import read_arrays, write_arrays
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

CURVE = "curve.npz"


class Goal(Section):
    """p, a Beta distribution.

    Attributes:
        concentration1, concentration0: its parameters.
    """

    concentration1: Positive
    concentration0: Positive


class Training(Section):
    """How q is fitted.

    Attributes:
        steps: of Adam.
        learning_rate: of Adam, for the logarithms of the concentrations.
        num_samples: of q per step.
    """

    steps: Count
    learning_rate: Positive
    num_samples: Count


class BetaFitConfig(ExperimentConfig):
    """The sections besides the keys that every experiment has.

    Attributes:
        method: an ``Estimator``.
        goal, training: see there.
    """

    method: Component
    goal: Goal
    training: Training

    def labels(self) -> tuple[str, ...]:
        """See ``ExperimentConfig``."""
        return (self.method.name,)


class BetaFit(Experiment):
    """The experiment of my_configs/experiment/beta_fit.yaml."""

    Config = BetaFitConfig
    config: BetaFitConfig

    def prepare(self, device: Any, compiled: bool) -> None:
        """See ``Experiment``."""
        from irg_experiments.experiments.choices import make_estimator
        from irg_experiments.implicit import Beta

        self.device = device
        samples = self.config.training.num_samples
        self.estimator = make_estimator(self.config.method, Beta, "experiment=beta_fit", self.tree, num_samples=samples)

    def run(self, directory: Path) -> Result:
        """Fits q; a run of seconds, so that an interrupted one starts again."""
        import torch
        from torch.distributions import kl_divergence

        from irg_experiments.implicit import Beta

        start, training, goal = time.perf_counter(), self.config.training, self.config.goal
        p = Beta(*torch.tensor([goal.concentration1, goal.concentration0], device=self.device))
        log_concentrations = torch.zeros(2, device=self.device, requires_grad=True)
        optimizer = torch.optim.Adam([log_concentrations], training.learning_rate)
        self.divergences = []
        for _ in range(training.steps):
            q = Beta(*log_concentrations.exp())
            loss = -self.estimator.expectation(p.log_prob, q, training.num_samples) - q.entropy()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.divergences.append(kl_divergence(Beta(*log_concentrations.detach().exp()), p).item())
        return Result({"kl": self.divergences[-1]}, time.perf_counter() - start, method_label=self.estimator.label)

    def save(self, directory: Path) -> None:
        """Writes the divergence after each step."""
        write_arrays(directory / CURVE, {"divergence": np.array(self.divergences)})

    @classmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        """See ``Experiment``."""
        header = ["method", "KL(q ‖ p), nats", "runs", "command"]
        rows = [
            [runs[0]["method_label"], spread([run["metrics"]["kl"] for run in runs], 5), str(len(runs)), f"`{command(runs)}`"]
            for runs in repetitions(records)
        ]
        title = "Beta distribution fitted to another one, mean ± standard deviation over runs"
        return [Table("beta_fit", title, header, rows, page_only=("command",))]

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        """See ``Experiment``."""
        yield Figure("divergence", partial(draw, divergence=read_arrays(directory / CURVE)["divergence"]))


def draw(path: Path, divergence: Any) -> None:
    """The divergence against steps."""
    from irg_experiments.results.figures import plt, save

    figure, axes = plt.subplots()
    axes.semilogy(divergence)
    axes.set(xlabel="step", ylabel="KL(q ‖ p), nats")
    save(figure, path)
