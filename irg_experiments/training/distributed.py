"""Data-parallel training by the processes that ``torchrun`` starts; for a single process, nothing here has an effect.

Every process knows the whole batch of a step and computes on its part of it. ``weighted_sum`` then gives all of them the loss
and the gradients of the whole batch, so that they make equal updates. Process 0 alone evaluates and writes.

``DistributedDataParallel`` sums gradients in hooks that ``backward`` calls while it accumulates into ``.grad``. The gradients
of this package come from ``torch.autograd.grad``, within one compiled function, which calls no such hook, and some of them are
those of a few rows of a parameter. They are summed by one all_reduce of a flat tensor, as DDP does with each of its buckets.

Collective operations use gloo, and NCCL for tensors on CUDA devices.
"""

import contextlib
import io
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from irg_experiments.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

# what torchrun sets; with a part of them, which a cluster may set for other purposes, a process is on its own
VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# processes wait for the first one while it evaluates
TIMEOUT = timedelta(days=1)
# seconds that a process that fails waits for process 0 to tell the user: at first, and after it has cut its connections
PATIENCE = 2.0, 20.0

_FAILURE, _TOLD = "irg/failure", "irg/told"  # keys of the store


@dataclass
class _Group:
    """This process among the others.

    Attributes:
        rank, size, local_rank: see the functions of these names.
        store: torch's key-value store, which all processes reach.
        others: the process group of all collective operations. It is not torch's default one, which is an object that modules
            of torch keep, and whose connections therefore stay open when it is destroyed.
    """

    rank: int
    size: int
    local_rank: int
    store: Any
    others: Any


_group: _Group | None = None


def launched() -> bool:
    """Whether torchrun started this process together with others."""
    return all(os.environ.get(name) for name in VARIABLES) and os.environ["WORLD_SIZE"] != "1"


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Within the block, this process works together with the others that torchrun started, if it did.

    A block within another has no effect.

    Raises:
        UserError: torchrun's variables in the environment are no numbers.
    """
    global _group
    if not launched() or _group is not None:
        yield
        return
    import torch.distributed as dist

    _group = _join()
    yield  # an exception leaves the group as it is, for ``told_by_first``
    if not _group.store.check([_FAILURE]):
        from_first(lambda: None)  # so that all processes leave together
    dist.destroy_process_group()
    _group = None


def _join() -> _Group:
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    try:
        rank, local_rank, size = (int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    except ValueError as error:
        raise UserError("RANK, LOCAL_RANK and WORLD_SIZE must be numbers, as torchrun sets them, or unset.") from error
    store, _, _ = next(rendezvous("env://", rank, size))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    return _Group(rank, size, local_rank, store, dist.new_group(timeout=TIMEOUT))


def size() -> int:
    """Number of processes."""
    return 1 if _group is None else _group.size


def rank() -> int:
    """Number of this process, from 0."""
    return 0 if _group is None else _group.rank


def local_rank() -> int:
    """Number of this process among those on its machine, from 0."""
    return 0 if _group is None else _group.local_rank


def is_first() -> bool:
    """Whether this process is number 0, which alone evaluates, writes and prints."""
    return rank() == 0


def require_one_process(what: str) -> None:
    """Raises UserError if there are several processes, for what cannot be split over them."""
    if size() > 1:
        raise UserError(f"{what} runs in one process: start it by irg-run, without torchrun.")


def part(number: int) -> range:
    """Which of a number of items are those of this process; the parts differ in size by at most one."""
    return range(number * rank() // size(), number * (rank() + 1) // size())


def seed_draws(seed: int, step: int) -> None:
    """Seeds the draws of a step by (seed, rank, step); the random state of process 0 goes on as that of a single process."""
    if is_first():
        return
    import numpy as np
    import torch

    torch.manual_seed(int(np.random.SeedSequence((seed, rank(), step)).generate_state(1)[0]))


def weighted_sum(tensors: Sequence["Tensor"], weight: float) -> list["Tensor"]:
    """Σ weight · tensor over the processes, with the same bits in each of them; with one process, the tensors as they are.

    Args:
        tensors: of one dtype, on one device, and of the same shapes in all processes.
        weight: of this process, such as its share of the documents.

    Raises:
        RuntimeError: another process ended.
    """
    if _group is None:
        return list(tensors)
    import torch
    import torch.distributed as dist

    flat = torch.cat([tensor.reshape(-1) for tensor in tensors]).mul_(weight)
    with _failures_explained():
        dist.all_reduce(flat, group=_group.others)
    sums = flat.split([tensor.numel() for tensor in tensors])
    return [total.view(tensor.shape) for total, tensor in zip(sums, tensors, strict=True)]


def from_first(function: Callable[[], T]) -> T:
    """What the function returns in process 0, where alone it is called; in the others, its tensors are on the CPU.

    Raises:
        RuntimeError: another process ended.
    """
    if _group is None:
        return function()
    import torch
    import torch.distributed as dist

    content = io.BytesIO()
    if is_first():
        value = function()
        torch.save(value, content)
    contents = [content.getvalue()]
    with _failures_explained():
        dist.broadcast_object_list(contents, src=0, group=_group.others, device=torch.device("cpu"))
    if is_first():
        return value
    return torch.load(io.BytesIO(contents[0]), map_location="cpu", weights_only=True)


@contextlib.contextmanager
def first_alone() -> Iterator[None]:
    """Process 0 runs the block before all others, which then find the files that it made.

    Raises:
        RuntimeError: another process ended.
    """
    if not is_first():
        from_first(lambda: None)
    yield
    if is_first():
        from_first(lambda: None)


@contextlib.contextmanager
def _failures_explained() -> Iterator[None]:
    """Turns the error of a collective operation into one that says which process failed, with its traceback as a note."""
    try:
        yield
    except RuntimeError as error:
        failure = ""
        with contextlib.suppress(RuntimeError):  # the store ends with torchrun
            if _group is not None and _group.store.check([_FAILURE]):
                failure = _group.store.get(_FAILURE).decode()
        line, _, trace = failure.partition("\n")
        explained = RuntimeError(line or "Another process of the run ended")
        explained.add_note(trace)
        raise explained from error


def told_by_first(error: Exception) -> bool:
    """Makes the failure of this process known to the others. Returns whether process 0 has told the user what went wrong.

    Process 0 is waited for: it may have failed with the same error, or because of this one, and has a record to write. If it is
    busy for longer than ``PATIENCE``, such as with an evaluation, the user is to be told by this process.
    """
    if _group is None or is_first():
        return False
    import torch.distributed as dist

    line = f"Process {rank()}: {type(error).__name__}: {' '.join(str(error).split())}"
    try:
        _group.store.compare_set(_FAILURE, "", "\n".join([line, *traceback.format_exception(error)]))
        for seconds in PATIENCE:
            if _told(_group.store, seconds):
                return True
            if _group.others is not None:
                dist.destroy_process_group(_group.others)
                _group.others = None  # the last reference, after which collective operations in the others end
    except dist.DistNetworkError:  # the store has ended, with process 0 or with torchrun
        return True
    return False


def _told(store: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (told := store.check([_TOLD])) and time.monotonic() < end:
        time.sleep(0.02)
    return told


def tell_others() -> None:
    """To be called when process 0 has told the user why it ends."""
    if _group is not None and is_first():
        with contextlib.suppress(RuntimeError):
            _group.store.compare_set(_FAILURE, "", "Process 0 failed")
            _group.store.set(_TOLD, "yes")
