"""Times training steps of several variants in turns, so that a drift of the machine's speed affects all of them.

Each variant runs in its own process, so that the memory use of one does not slow another.
"""

import contextlib
import gc
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

import torch

from irg_experiments.training.process import fast_steps

Step = Callable[[int], None]

# seconds between two turns, in which the threads of the previous process stop waiting for work
_SETTLE = 0.4
# steps at the start of a turn that are not timed, which fill the processor's caches as in training
_WARM = 10
_for_good = contextlib.ExitStack()


def as_in_training() -> None:
    """Sets this process for training, for good."""
    _for_good.enter_context(fast_steps())


def serve(make: Callable[[str], Step], name: str, threads: int, steps: int, channel: Connection) -> None:
    """Runs in its own process: times one turn of steps per message received, until the message is False."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    step = make(name)
    indices = itertools.count()
    while channel.recv():
        for index in itertools.islice(indices, _WARM):
            step(index)
        start = time.perf_counter()
        for index in itertools.islice(indices, steps):
            step(index)
        channel.send((time.perf_counter() - start) / steps * 1e3)
        # as in the training loop, for all variants: the garbage collector does not scan torch's modules
        gc.freeze()
    gc.unfreeze()


def median_milliseconds(
    make: Callable[[str], Step], names: Sequence[str], threads: int, steps: int, turns: int, warmup: int
) -> dict[str, float]:
    """The median time per step of each variant, in milliseconds.

    Args:
        make: returns the step of a variant, which is a function of the step's index. Each process calls it: must be picklable.
        names: of the variants.
        threads: torch's number of threads in each process.
        steps: timed per turn, after a few that are not.
        turns: number of turns that are timed.
        warmup: number of turns before them, which are not.
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
