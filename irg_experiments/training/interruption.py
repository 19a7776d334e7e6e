"""Ctrl-C, SIGTERM and SIGHUP: raised as an exception at once, or after the step or the file that is under way."""

import contextlib
import functools
import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from irg_experiments.errors import Interrupted
from irg_experiments.training import distributed

log = logging.getLogger(__name__)

# SIGHUP, of a terminal that closes, is not on every platform
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass
class _State:
    """Of the run in this process.

    Attributes:
        received: the signals so far.
        tolerated: how many of them wait for the end of a block; one more is raised at once.
        error: why the run must end without writing anything more.
    """

    received: list[int] = field(default_factory=list)
    tolerated: float = 0
    error: Exception | None = None


_state = _State()


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within the block, a signal is raised in the main thread as ``Interrupted``, except while it is ``postponed``.

    Outside the main thread, which alone can set handlers, the block has no effect. A signal that the process was started to
    ignore, as by nohup, stays ignored.
    """
    main = threading.current_thread() is threading.main_thread()
    usual = {number: signal.getsignal(number) for number in SIGNALS if main}
    usual = {number: handler for number, handler in usual.items() if handler not in (signal.SIG_IGN, None)}
    for number in usual:
        signal.signal(number, _receive)
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(_not_raisable, hook)
    try:
        with _none_lost():
            yield
    finally:
        sys.unraisablehook = hook
        for number, handler in usual.items():
            signal.signal(number, handler)
        if main:
            _state.received.clear()
        _state.error = None


def _not_raisable(hook: Callable[[Any], object], unraisable: Any) -> None:
    """A signal during the removal of an object, where Python can raise nothing, waits for the next look at ``requested``."""
    if not isinstance(unraisable.exc_value, Interrupted):
        hook(unraisable)


@contextlib.contextmanager
def _none_lost() -> Iterator[None]:
    """An error within the block does not replace a signal that is waiting: the next run of a sweep must not start."""
    try:
        yield
    except Exception as error:
        if requested():
            log.error("%s", error)
        raise_received()
        raise


def _receive(number: int, frame: FrameType | None) -> None:
    _state.received.append(number)
    # of processes that torchrun started, the first one ends the run: the others notice that it has
    if len(_state.received) > _state.tolerated and (distributed.is_first() or len(_state.received) > 1):
        raise Interrupted(_state.received[0])


@contextlib.contextmanager
def postponed(tolerated: float = 1) -> Iterator[None]:
    """Within the block, signals wait until ``raise_received`` or the end of the block.

    Args:
        tolerated: how many signals wait. One more is raised at once: by default, a second Ctrl-C.
    """
    outside = _state.tolerated
    _state.tolerated = max(outside, tolerated)
    try:
        yield
    finally:
        _state.tolerated = outside
    if len(_state.received) > outside:
        raise_received()


def completed() -> contextlib.AbstractContextManager[None]:
    """Within the block, every signal waits for its end: for files that must not be left half-written."""
    return postponed(math.inf)


def stop(error: Exception) -> None:
    """Ends the training loop by an error, from whatever thread, before it writes anything more."""
    _state.error = error


def raise_stopped() -> None:
    """Raises the error of ``stop``, if there is one."""
    if _state.error is not None:
        raise _state.error


def requested() -> bool:
    """Whether a signal is waiting."""
    return bool(_state.received) and distributed.is_first()


def raise_received() -> None:
    """Raises the signal that is waiting, if there is one."""
    if requested():
        raise Interrupted(_state.received[0])
