"""torch's Adam and its schedules, driven by gradients that a compiled function returns."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from irg_experiments.training.annealing import Annealing, annealing_factor


def adam(parameters: Sequence[Tensor], learning_rate: float) -> torch.optim.Adam:
    """Adam (Kingma & Ba 2015) by torch's fused kernel."""
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True)


def annealed(optimizer: torch.optim.Optimizer, annealing: Annealing, steps: int) -> LambdaLR:
    """The schedule of the learning rate over a number of steps, to be stepped after each update."""
    return LambdaLR(optimizer, lambda step: annealing_factor(annealing, step / steps))


def update(optimizer: torch.optim.Optimizer, gradients: Sequence[Tensor | None]) -> None:
    """One step of the optimiser.

    Args:
        optimizer: of one group of parameters.
        gradients: one per parameter, in their order. None leaves a parameter, its moments and its count of updates unchanged.
    """
    for parameter, gradient in zip(optimizer.param_groups[0]["params"], gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
