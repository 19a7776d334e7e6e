"""Turn a rejection sampler into a function of tensors that torch.compile, torch.jit.trace and torch.func support.

A sampler proposes a draw for each element, and then repairs those that are rejected. The repair depends on the data and cannot
be traced, so it is a custom operator to ``torch.compile``; to the others the whole sampler is one. Operators cannot take an
explicit generator, which is therefore supported eagerly only.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor
from torch.library import custom_op

from irg_experiments.implicit._autograd import is_abstract, is_batched, is_traced
from irg_experiments.implicit.private_torch import jit_is_tracing

# the value of a rejected proposal
REJECTED = float("inf")
# elements per pass, so that intermediate results stay in the processor's cache
_BLOCK = 32_768
# a formula for so many proposals takes little more time than for one
_AT_ONCE = 1024

Propose = Callable[[Tensor, Generator | None, int], Tensor]
Repair = Callable[[Tensor, Tensor, Generator | None, int], Tensor]


class Sampler:
    """Callable that draws one independent value per element of a parameter.

    Args:
        name: name of the custom operators.
        propose: called with a vector of parameters in float32 or float64, a generator (None for the device's global one) and an
            int, the setting; returns draws, ``REJECTED`` where the proposal was rejected. It must be traceable.
        repair: called with such draws, the parameters, the generator and the setting; replaces rejected draws in place.
    """

    def __init__(self, name: str, propose: Propose, repair: Repair) -> None:
        self.propose, self.repair = propose, repair
        self.operator = self._operator(name)
        self.repair_operator = self._repair_operator(name)

    def __call__(self, parameter: Tensor, generator: Generator | None = None, setting: int = 0) -> Tensor:
        """Draw values of the shape and dtype of ``parameter``, without gradient; float16 and bfloat16 are drawn in float32.

        For whole numbers the dtype is the default one.
        """
        if not parameter.is_floating_point():
            parameter = parameter.to(torch.get_default_dtype())
        dtype, parameter = parameter.dtype, parameter.detach()
        if dtype in (torch.float16, torch.bfloat16):
            parameter = parameter.float()
        if is_abstract(parameter):
            return self.operator(parameter, setting).to(dtype)
        if generator is not None or not is_traced():
            return self._blockwise(parameter, generator, setting).to(dtype)
        if is_batched():  # add a random zero: vmap then draws per batch element even if the parameter has no batch dimension
            parameter = parameter + 0 * torch.rand_like(parameter)
        elif jit_is_tracing():  # add the sum of no random numbers: torch.jit merges equal calls unless something random differs
            parameter = parameter + torch.rand(0, dtype=parameter.dtype, device=parameter.device).sum()
        elif torch.compiler.is_compiling() and parameter.numel() <= _BLOCK:
            # small: trace the proposals, as calling them separately takes longer than computing them
            flat = parameter.reshape(-1)
            draws = self.repair_operator(self.propose(flat, None, setting), flat, setting)
            return draws.reshape(parameter.shape).to(dtype)
        return self.operator(parameter, setting).to(dtype)

    def _blockwise(self, parameter: Tensor, generator: Generator | None, setting: int) -> Tensor:
        """Draw for the flattened parameter, one block of elements at a time."""
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
            return self.repair(draws.clone(), parameter, None, setting)  # an operator must not return its input

        operator = _random_operator(f"{name}_repair", repair)
        operator.register_fake(lambda draws, parameter, setting: torch.empty_like(draws))
        return operator


def _random_operator(name: str, function: Callable[..., Tensor]) -> Any:
    seeded = (torch.Tag.nondeterministic_seeded,)  # equal calls must not be merged into one
    return custom_op(f"irg_experiments::{name}", function, mutates_args=(), tags=seeded)


def redraw(draws: Tensor, parameter: Tensor, propose: Callable[[Tensor], Tensor]) -> Tensor:
    """Replace rejected draws in place by new proposals for their parameters, until all are accepted.

    If few elements remain, each makes several proposals in one pass and takes the first that is accepted: the call of a formula
    then takes more time than its arithmetic.
    """
    waiting = (draws == REJECTED).nonzero().squeeze(-1)
    while len(waiting):
        tries = max(_AT_ONCE // len(waiting), 1)
        again = propose(parameter[waiting].repeat(tries)).view(tries, -1)
        first = (again != REJECTED).byte().argmax(0, keepdim=True)
        draws[waiting] = again.gather(0, first).squeeze(0)
        waiting = waiting[draws[waiting] == REJECTED]
    return draws
