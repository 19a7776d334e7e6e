"""Special functions and sample derivatives as machine code, compiled on demand.

A special function is a formula of about a hundred elementwise operations. Run eagerly, each operation passes over memory once;
compiled, all of them share one pass. Compiled kernels are kept on disk and loaded by later processes in milliseconds (see
``_kernel_cache.py``). Where a formula cannot be compiled, or its kernel cannot be stored, it runs eagerly after one log line.
Inside ``torch.compile`` and under ``torch.func`` the formula itself is used.
"""

import functools
import logging
import pickle
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Literal

import torch
from torch import Tensor

from irg_experiments.implicit import _kernel_cache
from irg_experiments.implicit._autograd import is_abstract, is_traced
from irg_experiments.implicit._background import BackgroundCompiler
from irg_experiments.implicit._kernel_cache import Formula

log = logging.getLogger(__name__)

MODES = ("auto", "on", "off")
# elements that a formula computes eagerly in mode "auto" before it is compiled, and before a kernel in the cache is loaded
_PATIENCE, _PATIENCE_TO_LOAD = 1_000_000, 50_000
# smaller tensors are computed eagerly: the call of a kernel would take longer than the formula
_FEW = 32


class _State:
    mode = "auto"


_background = BackgroundCompiler()


def set_compile(mode: str) -> None:
    """Set how special functions and sample derivatives are evaluated outside ``torch.compile``, in this process.

    Args:
        mode: "on" compiles a formula at its first use, for 8 to 30 seconds unless it is in the cache; what is compiled then
            depends on each call alone. "off" never compiles. "auto" compiles a formula after a million elements, if there is a
            compiler: on the CPU in another process, so that no call waits. A kernel in the cache is loaded after 50,000.
            Results agree up to rounding.

    Raises:
        ValueError: any other mode.
    """
    _State.mode = _checked(mode)


def resolve_mode(mode: str, device: torch.device) -> Literal["on", "off"]:
    """The mode to use for a whole run: "on" or "off", decided once so that results do not depend on how much was computed.

    Args:
        mode: "auto" becomes "on" if formulas can be compiled for the device and "off" otherwise; so does "on", with a warning
            that names it. "off" stays.
        device: where the tensors are.

    Raises:
        ValueError: any other mode.
    """
    if _checked(mode) == "off":
        return "off"
    if mode == "on" and (obstacle := _obstacle(device)) is not None:
        log.warning("compile=on has no effect. %s", obstacle)
        return "off"
    return "on" if can_compile(device) else "off"


def _checked(mode: str) -> str:
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    return mode


def can_compile(device: torch.device) -> bool:
    """Whether formulas can be compiled for the device. If not, one log line per process says why."""
    obstacle = _obstacle(device)
    if obstacle is not None:
        _warn_once(obstacle)
    return obstacle is None


def _obstacle(device: torch.device) -> str | None:
    """Why formulas cannot be compiled for the device, and what helps; None if they can be."""
    if device.type == "cpu" and not any(shutil.which(compiler) for compiler in ("g++", "clang++", "c++")):
        return "No C++ compiler found: running uncompiled, slower. Install g++ or clang++, such as by apt install g++."
    if device.type == "mps":
        return f"torch.compile does not support all operations on {device.type}: running uncompiled, slower."
    return None


@functools.cache
def _warn_once(message: str) -> None:
    log.warning("%s", message)


class EagerOnly:
    """A formula that is never compiled, as it is evaluated too rarely to be worth the time of a compiler."""

    def __init__(self, formula: Formula) -> None:
        self.formula = formula

    def __call__(self, *arguments: Tensor) -> Tensor:
        """``formula(*arguments)``."""
        return self.formula(*arguments)


def evaluate(formula: Formula, arguments: Sequence[Tensor]) -> Tensor:
    """``formula(*arguments)`` for tensors of one shape, dtype and device, by machine code where possible.

    The formula must be elementwise: its values must not depend on the shape. It may stack several values per element along a
    new first dimension.
    """
    first = arguments[0]
    # check for tracing before the size: numel() may be symbolic
    if _State.mode == "off" or _must_see_operations(arguments) or first.numel() < _FEW or isinstance(formula, EagerOnly):
        return formula(*arguments)
    return _kernel(formula, first.dtype, first.device.type)(arguments)


def _must_see_operations(arguments: Sequence[Tensor]) -> bool:
    """Whether a tracer, torch.func or autograd needs the operations of the formula, or there are no values to compute."""
    if is_traced() or is_abstract(arguments[0]):
        return True
    return torch.is_grad_enabled() and any(argument.requires_grad for argument in arguments)


@functools.cache
def _kernel(formula: Formula, dtype: torch.dtype, device: str) -> "_Kernel":
    return _Kernel(formula, dtype, device)


class _Kernel:
    """A formula for one dtype and type of device; compiled at its first call, or eager if that fails."""

    def __init__(self, formula: Formula, dtype: torch.dtype, device: str) -> None:
        self.formula, self.dtype, self.device = formula, dtype, device
        self.elements = 0
        self.looked_for, self.awaited = False, False
        self.compiled: Callable[..., Tensor] | None = None

    def __call__(self, arguments: Sequence[Tensor]) -> Tensor:
        if self.compiled is None:
            self.elements += arguments[0].numel()
            if _State.mode != "on" and not self._is_due(len(arguments)):
                return self.formula(*arguments)
        # kernels read contiguous vectors
        shape = arguments[0].shape
        flat = [argument.contiguous() for argument in arguments]
        if len(shape) != 1:
            flat = [argument.view(-1) for argument in flat]
        if self.compiled is None:
            self.compiled = self._compile(flat)
        result = self.compiled(*flat)
        return result if len(shape) == 1 else result.view(result.shape[:-1] + shape)

    def _is_due(self, count: int) -> bool:
        """Whether to use a kernel from now on: enough elements were computed, and no call has to wait for it."""
        if self.elements >= _PATIENCE:
            return not self._is_awaited(count)
        if self.elements < _PATIENCE_TO_LOAD or self.looked_for or self.device != "cpu":
            return False
        self.looked_for = True
        with suppress(OSError):
            return _kernel_cache.intact_library(self.formula, self.dtype) is not None
        return False

    def _is_awaited(self, count: int) -> bool:
        """Whether another process is compiling: the formula stays eager, so that no call takes long."""
        if self.device != "cpu" or not (self.awaited or can_compile(torch.device(self.device))):
            return False
        self.awaited = True
        try:
            outcome = _background.outcome(self.formula, self.dtype, count)
        except (OSError, pickle.PicklingError, AttributeError):  # AttributeError: of pickle, for a function inside another
            return False
        if outcome == "failed":
            name = _kernel_cache.name_of(self.formula)
            log.warning('Could not compile %s: it runs uncompiled, slower. set_compile("on") shows the error.', name)
            self.compiled = self.formula
        return outcome != "ready"

    def _compile(self, arguments: Sequence[Tensor]) -> Callable[..., Tensor]:
        if not can_compile(torch.device(self.device)):
            return self.formula
        try:
            if self.device != "cpu":
                compiled = torch.compile(self.formula, dynamic=True, fullgraph=True)
                compiled(*arguments)  # torch compiles at the first call
                return compiled
            # in a separate thread, which the caller's modes and default device do not affect
            with ThreadPoolExecutor(1) as thread:
                return thread.submit(_kernel_cache.load_or_compile, self.formula, self.dtype, len(arguments)).result()
        except OSError as error:
            elsewhere = "XDG_CACHE_HOME and TMPDIR set other folders"
            _warn_once(f"Cannot keep compiled formulas: {error}. They run uncompiled, slower. {elsewhere}.")
            return self.formula
        except Exception as error:  # a compiler can fail in many ways, and the formula works without it
            name = _kernel_cache.name_of(self.formula)
            log.warning("Could not compile %s: %s. It runs uncompiled, slower.", name, _summary(error))
            return self.formula


def _summary(error: Exception) -> str:
    """One line of an error's message: the C++ compiler's first error, or else the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if re.search(r"\berror: ", line, re.IGNORECASE)), lines[0]).rstrip(".")
