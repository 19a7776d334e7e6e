"""Adam by torch's fused kernel, without the bookkeeping of ``torch.optim``: a twelfth of a small model's step."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """The optimiser of Kingma & Ba (2015) with their β₁, β₂ and ε; the same numbers as ``torch.optim.Adam(fused=True)``.

    Args:
        parameters: updated in place.
        learning_rate: α.
    """

    def __init__(self, parameters: Sequence[Tensor], learning_rate: float) -> None:
        self.parameters, self.learning_rate = list(parameters), learning_rate
        self.means = [torch.zeros_like(parameter, requires_grad=False) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter, requires_grad=False) for parameter in self.parameters]
        # updates of each parameter; the kernel takes them as tensors
        self.counts = torch.zeros(len(self.parameters), device=self.parameters[0].device)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """One update by a gradient for each parameter; None leaves a parameter, its moments and its count alone."""
        kept = [index for index, gradient in enumerate(gradients) if gradient is not None]
        if len(kept) == len(self.parameters):
            self.counts += 1
        else:
            self.counts[kept] += 1
        counts = self.counts.unbind()
        torch._fused_adam_(
            [self.parameters[index] for index in kept],
            [gradient for gradient in gradients if gradient is not None],
            [self.means[index] for index in kept],
            [self.squares[index] for index in kept],
            [],
            [counts[index] for index in kept],
            lr=self.learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Moments and counts; the learning rate is the caller's to keep."""
        return {"means": self.means, "squares": self.squares, "counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned."""
        for own, saved in ((self.means, state["means"]), (self.squares, state["squares"]), ([self.counts], [state["counts"]])):
            for tensor, value in zip(own, saved, strict=True):
                tensor.copy_(value)
