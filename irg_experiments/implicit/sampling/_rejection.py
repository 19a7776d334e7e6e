"""How a rejection sampler becomes a function of tensors. Written here, once.

A sampler proposes a draw for each element, and redraws those that are rejected. The second depends on the data and cannot be
traced, so that it is an operator of its own to ``torch.compile``, and the whole sampler is one to ``torch.func``. An explicit
generator cannot be handed to an operator; it works eagerly.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor
from torch.library import custom_op

from irg_experiments.implicit._autograd import is_batched, is_traced

# what a formula returns for a proposal that is rejected
REJECTED = float("inf")
# elements in one pass, so that its intermediates stay in the processor's cache
_BLOCK = 32_768
# proposals that cost little more than one
_AT_ONCE = 1024

Propose = Callable[[Tensor, Generator | None, int], Tensor]
Repair = Callable[[Tensor, Tensor, Generator | None, int], Tensor]


class Sampler:
    """One independent draw for each element of a parameter.

    Args:
        name: of the operators.
        propose: draws for a vector of parameters, in float32 or float64, ``REJECTED`` where there is none yet, given a
            generator (None for the device's global one) and a whole number, the setting. It can be traced.
        repair: of such draws, the parameters, the generator and the setting: replaces in place what is rejected.
    """

    def __init__(self, name: str, propose: Propose, repair: Repair) -> None:
        self.propose, self.repair = propose, repair
        self.operator = self._operator(name)
        self.repair_operator = self._repair_operator(name)

    def __call__(self, parameter: Tensor, generator: Generator | None = None, setting: int = 0) -> Tensor:
        """Draws of the shape and dtype of ``parameter``, which gets no gradient. Half types draw in float32."""
        dtype, parameter = parameter.dtype, parameter.detach()
        if dtype in (torch.float16, torch.bfloat16):
            parameter = parameter.float()
        if generator is not None or not is_traced():
            return self._blockwise(parameter, generator, setting).to(dtype)
        if is_batched():  # a random zero, so that vmap also batches what does not depend on the batch
            parameter = parameter + 0 * torch.rand_like(parameter)
        elif torch.compiler.is_compiling() and parameter.numel() <= _BLOCK:
            # the proposals become part of what is compiled: starting them on their own takes longer than they do
            flat = parameter.reshape(-1)
            draws = self.repair_operator(self.propose(flat, None, setting), flat, setting)
            return draws.reshape(parameter.shape).to(dtype)
        return self.operator(parameter, setting).to(dtype)

    def _blockwise(self, parameter: Tensor, generator: Generator | None, setting: int) -> Tensor:
        """The draws of the flattened parameter, a block of elements at a time."""
        flat = parameter.reshape(-1)
        if len(flat) > _BLOCK and flat.device.type == "cpu":
            draws = torch.cat([self._draw(block, generator, setting) for block in flat.split(_BLOCK)])
        else:
            draws = self._draw(flat, generator, setting)
        return draws.reshape(parameter.shape)

    def _draw(self, parameter: Tensor, generator: Generator | None, setting: int) -> Tensor:
        return self.repair(self.propose(parameter, generator, setting), parameter, generator, setting)

    def _operator(self, name: str) -> Callable[[Tensor, int], Tensor]:
        def draw(parameter: Tensor, setting: int) -> Tensor:
            return self._blockwise(parameter, None, setting)

        operator = _random_operator(name, draw)
        operator.register_fake(lambda parameter, setting: torch.empty_like(parameter, memory_format=torch.contiguous_format))

        def batched(info: Any, in_dims: tuple[int, None], parameter: Tensor, setting: int) -> tuple[Tensor, int]:
            return operator(parameter.movedim(in_dims[0], 0), setting), 0

        operator.register_vmap(batched)
        return operator

    def _repair_operator(self, name: str) -> Callable[[Tensor, Tensor, int], Tensor]:
        def repair(draws: Tensor, parameter: Tensor, setting: int) -> Tensor:
            return self.repair(draws.clone(), parameter, None, setting)  # what an operator returns must be its own

        operator = _random_operator(f"{name}_repair", repair)
        operator.register_fake(lambda draws, parameter, setting: torch.empty_like(draws))
        return operator


def _random_operator(name: str, function: Callable[..., Tensor]) -> Any:
    seeded = (torch.Tag.nondeterministic_seeded,)  # so that two calls alike are two draws
    return custom_op(f"irg_experiments::{name}", function, mutates_args=(), tags=seeded)


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
