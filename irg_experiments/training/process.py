"""Settings of the process that make the steps of a small model faster."""

import contextlib
import ctypes
import functools
import gc
from collections.abc import Iterator

import torch

# parameters of mallopt in glibc's malloc.h, and the values for them: 32 MiB is the largest that it takes
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _LARGE = 2**28, 2**25


@contextlib.contextmanager
def fast_steps() -> Iterator[None]:
    """Within the block: denormals are flushed, garbage collection skips the heap so far, and freed memory is kept for reuse."""
    _keep_freed_memory()
    with denormals_flushed(), heap_frozen():
        yield


@functools.cache
def _keep_freed_memory() -> None:
    """Makes the process keep up to 256 MiB of memory that it has freed, where the C library is glibc.

    Otherwise gradients of some megabytes, freed in every step, go back to the operating system, which clears each page before
    it lends it again: up to a fourth of a step.
    """
    # nothing can be done where there is no such function
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGE)


@contextlib.contextmanager
def heap_frozen() -> Iterator[None]:
    """Inside, garbage collection skips the objects that exist at the beginning; what the caller has frozen stays frozen."""
    # torch's modules are a large heap that never becomes garbage; scanning it takes some percent of every step
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def denormals_flushed() -> Iterator[None]:
    """Within the block, floats below the smallest normal number are zero on this thread, if the processor supports that.

    Adam's averages of a gradient that stays zero, as that of a dead unit does, decay to such floats. Processors are many times
    slower on them: the update of a small model can take twice as long.
    """
    _start_worker_threads()
    before = (torch.tensor(torch.finfo(torch.float32).tiny) / 2).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _start_worker_threads() -> None:
    """Makes torch start its worker threads, unless it has done so.

    A thread inherits from the one that starts it whether it flushes denormals. Without this, results could depend on whether a
    parallel operation had run before training, such as restoring a checkpoint.
    """
    torch.ones(2**20).add_(1)
