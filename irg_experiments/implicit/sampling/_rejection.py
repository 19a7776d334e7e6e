"""How a rejection sampler becomes a function of tensors. Written here, once.

A loop that depends on the data cannot be traced, so that each sampler is one operator of its own to ``torch.compile`` and to
``torch.func``. An explicit generator cannot be handed to an operator; it works eagerly.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from irg_experiments.implicit._autograd import is_batched, is_traced

# what a formula returns for a proposal that is rejected
REJECTED = float("inf")
# elements in one pass, so that its intermediates stay in the processor's cache
_BLOCK = 32_768
# proposals that cost little more than one
_AT_ONCE = 1024

Draw = Callable[[Tensor, Generator | None, int], Tensor]


class Sampler:
    """One independent draw for each element of a parameter.

    Args:
        name: of the operator.
        draw: draws for a vector of parameters, in float32 or float64, given a generator (None for the device's global one) and
            a whole number, the setting.
    """

    def __init__(self, name: str, draw: Draw) -> None:
        self.draw = draw
        self.operator = self._operator(name)

    def __call__(self, parameter: Tensor, generator: Generator | None = None, setting: int = 0) -> Tensor:
        """Draws of the shape and dtype of ``parameter``, which gets no gradient. Half types draw in float32."""
        dtype, parameter = parameter.dtype, parameter.detach()
        if dtype in (torch.float16, torch.bfloat16):
            parameter = parameter.float()
        if generator is not None or not is_traced():
            return self._blockwise(parameter, generator, setting).to(dtype)
        if is_batched():  # a random zero, so that vmap also batches what does not depend on the batch
            parameter = parameter + 0 * torch.rand_like(parameter)
        return self.operator(parameter, setting).to(dtype)

    def _blockwise(self, parameter: Tensor, generator: Generator | None, setting: int) -> Tensor:
        """The draws of the flattened parameter, a block of elements at a time."""
        flat = parameter.reshape(-1)
        if len(flat) > _BLOCK and flat.device.type == "cpu":
            draws = torch.cat([self.draw(block, generator, setting) for block in flat.split(_BLOCK)])
        else:
            draws = self.draw(flat, generator, setting)
        return draws.reshape(parameter.shape)

    def _operator(self, name: str) -> Callable[[Tensor, int], Tensor]:
        def draw(parameter: Tensor, setting: int) -> Tensor:
            return self._blockwise(parameter, None, setting)

        seeded = (torch.Tag.nondeterministic_seeded,)  # so that two calls alike are two draws
        operator = torch.library.custom_op(f"irg_experiments::{name}", draw, mutates_args=(), tags=seeded)
        operator.register_fake(lambda parameter, setting: torch.empty_like(parameter, memory_format=torch.contiguous_format))

        def batched(info: Any, in_dims: tuple[int, None], parameter: Tensor, setting: int) -> tuple[Tensor, int]:
            return operator(parameter.movedim(in_dims[0], 0), setting), 0

        operator.register_vmap(batched)
        return operator


def redraw(draws: Tensor, parameter: Tensor, propose: Callable[[Tensor], Tensor]) -> Tensor:
    """``draws`` with every rejected one replaced by proposals for its parameter, until none is; in place.

    Few elements make several proposals each at once, of which the first that is accepted counts: for them starting a formula
    takes more time than its arithmetic.
    """
    waiting = (draws == REJECTED).nonzero().squeeze(-1)
    while len(waiting):
        tries = max(_AT_ONCE // len(waiting), 1)
        again = propose(parameter[waiting].repeat(tries)).view(tries, -1)
        first = (again != REJECTED).byte().argmax(0, keepdim=True)
        draws[waiting] = again.gather(0, first).squeeze(0)
        waiting = waiting[draws[waiting] == REJECTED]
    return draws
