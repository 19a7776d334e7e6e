"""A trace of some training steps by ``torch.profiler``."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from irg_experiments.files import written_whole

log = logging.getLogger(__name__)

TRACE = "profile.json"
# steps that compile and fill caches, steps in which the profiler itself warms up, and steps in the trace
SKIPPED, WARM_UP, TRACED = 10, 5, 20
_HEAVIEST = 5


@contextlib.contextmanager
def profiled_steps(directory: Path, device: torch.device) -> Iterator[Callable[[], None]]:
    """Traces ``TRACED`` steps of a block, after the first ``SKIPPED`` + ``WARM_UP``, and logs the operations that took longest.

    The trace is ``profile.json`` in the directory, in the format of chrome://tracing, which https://ui.perfetto.dev reads too.
    One that cannot be written costs a line of log. The steps per second of a run include what tracing takes.

    Args:
        directory: of the run.
        device: whose operations are traced, besides those of the CPU.

    Yields:
        A function to call after each step.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler library otherwise tells of devices that are not there
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    plan = schedule(skip_first=SKIPPED, wait=0, warmup=WARM_UP, active=TRACED, repeat=1)
    with profile(activities=activities, schedule=plan, acc_events=True) as trace:
        yield trace.step
    steps = min(trace.step_num - SKIPPED - WARM_UP, TRACED)
    if steps < 1:
        log.warning("profile=true traced nothing: it begins after %d steps of a session.", SKIPPED + WARM_UP)
        return
    _report(trace, steps, device)
    _write(trace, directory / TRACE)


def _report(trace: profile, steps: int, device: torch.device) -> None:
    """Logs the heaviest operations: their share of the time of all, by the device's clock where it is a GPU."""
    clock = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    events = [event for event in trace.key_averages() if not event.key.startswith("ProfilerStep")]
    events.sort(key=lambda event: getattr(event, clock), reverse=True)
    total = sum(getattr(event, clock) for event in events) or 1.0  # a GPU that did nothing
    log.info("Heaviest operations of %d training steps, by their own time:", steps)
    for event in events[:_HEAVIEST]:
        time = getattr(event, clock)
        each = f"{time / steps / 1e3:7.3f} ms in {event.count / steps:5.1f} calls per step"
        log.info("  %5.1f %%  %s  %s", 100 * time / total, each, event.key)


def _write(trace: profile, path: Path) -> None:
    try:
        with written_whole(path) as temporary:
            trace.export_chrome_trace(str(temporary))  # some errors are silent: then there is no file
    except (OSError, RuntimeError) as error:
        log.warning("The trace could not be written (%s).", error)
    else:
        log.info("Trace, whose time counts in the steps per second: %s (open it in https://ui.perfetto.dev).", path)
