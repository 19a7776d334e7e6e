"""Compile formulas in another process, one after the other, so that this one goes on in the meantime.

It is a process and not a thread, as torch's compiler must not run in two threads at once. It goes on if this process ends, and
leaves its kernel to the next one.
"""

import logging
import os
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Literal

import torch

from irg_experiments.implicit import _kernel_cache
from irg_experiments.implicit._kernel_cache import Formula

log = logging.getLogger(__name__)

_PROGRAM = f"from {__name__} import main; main()"

_Job = tuple[Formula, torch.dtype]
Outcome = Literal["ready", "awaited", "failed"]


class BackgroundCompiler:
    """Puts kernels into the cache."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._job: _Job | None = None
        self._outcomes: dict[_Job, Outcome] = {}

    def outcome(self, formula: Formula, dtype: torch.dtype, count: int) -> Outcome:
        """Whether the kernel of a formula is in the cache, is awaited, or cannot be had.

        The first call starts compiling, unless another formula is being compiled.
        """
        job = formula, dtype
        if self._process is not None and self._process.poll() is not None and self._job is not None:
            self._outcomes[self._job] = "ready" if _is_cached(self._job) else "failed"
            self._process = None
        if self._process is None and job not in self._outcomes:
            if _is_cached(job):
                self._outcomes[job] = "ready"
            else:
                self._start(job, count)
        return self._outcomes.get(job, "awaited")

    def _start(self, job: _Job, count: int) -> None:
        message = pickle.dumps((*job, count))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        silent = subprocess.DEVNULL
        name, folder = _kernel_cache.name_of(job[0]), _kernel_cache.cache_folder()
        log.warning("Compiling %s for this machine in another process; later runs load it from %s.", name, folder)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=silent,
            stderr=silent,
            env=environment,
            start_new_session=True,  # Ctrl-C is meant for this process
        )
        self._job = job
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(message)


def _is_cached(job: _Job) -> bool:
    return _kernel_cache.intact_library(*job) is not None


def main() -> None:
    """In the other process: compile the formula that the first one has sent."""
    _kernel_cache.load_or_compile(*pickle.load(sys.stdin.buffer))
