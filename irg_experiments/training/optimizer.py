"""Adam, driven by gradients that a compiled function returns."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit.private_torch import foreach_add, fused_adam

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # the defaults of torch.optim.Adam


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) by torch's fused kernel.

    The updates are those of ``torch.optim.Adam(parameters, learning_rate, fused=True)``, bit for bit. The bookkeeping of that
    class takes half as long again as the update of a small model.

    Args:
        parameters: contiguous leaves; they are updated in place.
        learning_rate: of a step that is given no other.
    """

    def __init__(self, parameters: Sequence[Tensor], learning_rate: float) -> None:
        self.parameters = [parameter.detach() for parameter in parameters]
        self.learning_rate = learning_rate
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.steps = [torch.zeros((), device=parameter.device) for parameter in self.parameters]

    def update(self, gradients: Sequence[Tensor | None], learning_rate: float | None = None) -> None:
        """One step.

        Args:
            gradients: one per parameter, in their order. None leaves a parameter, its moments and its count of steps unchanged.
            learning_rate: of this step.
        """
        columns = (self.parameters, gradients, self.first, self.second, self.steps)
        moved = [row for row in zip(*columns, strict=True) if row[1] is not None]
        if not moved:
            return
        parameters, given, first, second, steps = map(list, zip(*moved, strict=True))
        foreach_add(steps, 1)
        fused_adam(
            parameters,
            [gradient.contiguous() for gradient in given],
            first,
            second,
            [],
            steps,
            lr=self.learning_rate if learning_rate is None else learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """The moments and counts of steps; not the parameters."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned; raises any exception if it belongs to other parameters."""
        for name, tensors in self.state_dict().items():
            for mine, theirs in zip(tensors, state[name], strict=True):
                if mine.shape != theirs.shape:
                    raise ValueError(f"{name} has shape {tuple(theirs.shape)}, not {tuple(mine.shape)}")
                mine.copy_(theirs)
