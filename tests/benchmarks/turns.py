"""Training steps of several variants timed in turns, so that a drift of the machine's speed touches them alike.

Each variant runs in a process of its own, so that one's use of memory does not slow another.
"""

import gc
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

import torch

Step = Callable[[int], None]

# seconds between two turns, in which the threads of the one before stop to wait for work
_SETTLE = 0.4


def serve(make: Callable[[str], Step], name: str, threads: int, steps: int, channel: Connection) -> None:
    """Runs in a process of its own: times a turn of steps whenever asked, until told to stop."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    step = make(name)
    indices = itertools.count()
    while channel.recv():
        start = time.perf_counter()
        for index in itertools.islice(indices, steps):
            step(index)
        channel.send((time.perf_counter() - start) / steps * 1e3)
        # as the training loop does, and for all variants alike: no scanning of modules that never become garbage
        gc.freeze()
    gc.unfreeze()


def median_milliseconds(
    make: Callable[[str], Step], names: Sequence[str], threads: int, steps: int, turns: int, warmup: int
) -> dict[str, float]:
    """The median milliseconds a step of each variant.

    Args:
        make: the step of a variant, a function of its index; picklable, as each process calls it.
        names: of the variants.
        threads: of torch in each process.
        steps: in a turn.
        turns: that count.
        warmup: turns before them that do not.
    """
    context = multiprocessing.get_context("spawn")
    channels, processes = {}, []
    for name in names:
        channels[name], theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(make, name, threads, steps, theirs)))
        processes[-1].start()
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(turns + warmup):
        for name, channel in channels.items():
            time.sleep(_SETTLE)
            channel.send(True)
            milliseconds = channel.recv()
            if turn >= warmup:
                times[name].append(milliseconds)
    for channel, process in zip(channels.values(), processes, strict=True):
        channel.send(False)
        process.join()
    return {name: statistics.median(values) for name, values in times.items()}
