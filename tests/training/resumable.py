"""A task that draws random numbers in its loss and in its evaluation; as a program, it trains in a process of its own.

``python -m tests.training.resumable DIRECTORY on|off`` resumes the run in the directory and prints its metrics as JSON.
"""

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.loop import Schedule, TrainingResult, train
from irg_experiments.training.optimizer import Adam
from tests.compiler import quick_compiler

CPU = torch.device("cpu")
# rows of draws in the first step; each step has other ones, as batches of documents do
ROWS = 9000


class SamplingTask:
    """Fits the scales of exponential and normal distributions; calls ``watch`` before each step."""

    def __init__(self, compiled: bool, watch: Callable[[int], None]) -> None:
        self.watch = watch
        self.logits = torch.linspace(-1, 1, 4).requires_grad_()
        self.optimizer = Adam([self.logits], 0.05)
        self.loss_and_grad = loss_and_grad(self._loss, [self.logits], compiled, CPU, varying=lambda weights: [weights])

    def _loss(self, weights: Tensor) -> Tensor:
        scale = self.logits.exp() * weights[:, None]
        exponential, normal = -scale * (1 - torch.rand_like(scale)).log(), scale * torch.randn_like(scale)
        return (exponential - 2).square().mean() + normal.cos().mean()

    def training_step(self, step: int) -> Tensor:
        self.watch(step)
        rows = ROWS + 100 * step
        loss, gradients = self.loss_and_grad(torch.linspace(0.5, 2, rows))
        self.optimizer.update(gradients)
        return loss

    def evaluate(self, step: int) -> dict[str, float]:
        concentration = self.logits.exp().expand(100, 4)
        return {"mean": implicit.Gamma(concentration, torch.ones_like(concentration)).sample().mean().item()}

    def state_dict(self) -> dict[str, Any]:
        return {"logits": self.logits.detach(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.logits.data.copy_(state["logits"])
        self.optimizer.load_state_dict(state["optimizer"])


def run(directory: Path, mode: str, watch: Callable[[int], None] = lambda step: None) -> TrainingResult:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    implicit.set_compile(mode)
    schedule = Schedule(steps=10, log_every=1, evaluate_every=2, checkpoint_every=4)
    with quick_compiler() if mode == "on" else nullcontext():
        return train(SamplingTask(mode == "on", watch), schedule, seed=3, directory=directory, device=CPU)


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), sys.argv[2]).metrics))
