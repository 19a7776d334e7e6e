"""Special functions as machine code: compiled once per machine, on demand, and eager where that cannot be.

A special function is a formula of a hundred elementwise operations. Run eagerly, each passes over memory; compiled, all of them
pass once. A formula is compiled when it has been evaluated for a million elements, a fraction of a second's work, so that short
scripts never wait. The machine code is kept in ``$XDG_CACHE_HOME/irg_experiments`` (``~/.cache/irg_experiments``) and
loaded by later processes in milliseconds. Inside ``torch.compile`` and under ``torch.func`` the formula itself is used.
"""

import functools
import hashlib
import logging
import os
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from irg_experiments.implicit._autograd import is_traced

log = logging.getLogger(__name__)

Formula = Callable[..., Tensor]

MODES = ("auto", "on", "off")
# elements a formula computes eagerly before it is compiled in mode "auto"
_PATIENCE = 1_000_000
# below it starting compiled code takes more time than it saves
_FEW = 32


class _State:
    mode = "auto"


def set_compile(mode: str) -> None:
    """How special functions and sample derivatives are evaluated outside ``torch.compile``, in this process.

    Args:
        mode: "auto" compiles a formula after a million elements, where there is a compiler; "on" at its first use; "off" never.
            Results agree to rounding.

    Raises:
        ValueError: another mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    _State.mode = mode


def evaluate(formula: Formula, arguments: Sequence[Tensor]) -> Tensor:
    """``formula(*arguments)`` for tensors of one shape, dtype and device; by machine code where that is worth it.

    The formula is elementwise: of any shape it makes the same numbers, perhaps several along a new first dimension.
    """
    first = arguments[0]
    if _State.mode == "off" or _is_watched(arguments) or first.numel() < _FEW:  # in this order: traces know no numbers
        return formula(*arguments)
    return _kernel(formula, first.dtype, first.device.type)(arguments)


def _is_watched(arguments: Sequence[Tensor]) -> bool:
    """Whether torch.compile, torch.func or autograd follow the operations, and must see those of the formula."""
    return is_traced() or (torch.is_grad_enabled() and any(argument.requires_grad for argument in arguments))


@functools.cache
def _kernel(formula: Formula, dtype: torch.dtype, device: str) -> "_Kernel":
    return _Kernel(formula, dtype, device)


class _Kernel:
    """A formula for one dtype and kind of device, compiled at its first call; the formula itself should that fail."""

    def __init__(self, formula: Formula, dtype: torch.dtype, device: str) -> None:
        self.formula, self.dtype, self.device = formula, dtype, device
        self.elements = 0
        self.compiled: Callable[..., Tensor] | None = None

    def __call__(self, arguments: Sequence[Tensor]) -> Tensor:
        if self.compiled is None:
            self.elements += arguments[0].numel()
            if _State.mode != "on" and self.elements < _PATIENCE:
                return self.formula(*arguments)
            self.compiled = self._compile(len(arguments))
        # the machine code reads plain arrays
        result = self.compiled(*(argument.contiguous().view(-1) for argument in arguments))
        return result.view(result.shape[:-1] + arguments[0].shape)

    def _compile(self, count: int) -> Callable[..., Tensor]:
        if not can_compile(torch.device(self.device)):
            return self.formula
        try:
            if self.device != "cpu":
                return torch.compile(self.formula, dynamic=True, fullgraph=True)
            # in a thread of its own, which no mode, trace or default device of the caller reaches
            with ThreadPoolExecutor(1) as thread:
                return thread.submit(_load_or_build, self.formula, self.dtype, count).result()
        except Exception as error:  # whatever a compiler may say: the formula still works
            log.warning("Could not compile %s: %s. Running it uncompiled, slower.", _name(self.formula), error)
            return self.formula


def _load_or_build(formula: Formula, dtype: torch.dtype, count: int) -> Callable[..., Tensor]:
    """The formula's machine code for the CPU, from the cache or made now."""
    from torch._inductor import aoti_compile_and_package, aoti_load_package  # slow to import, so only when it is used

    path = _cache_folder() / f"{_name(formula)}-{str(dtype).removeprefix('torch.')}-{_fingerprint(formula)}.pt2"
    if not zipfile.is_zipfile(path):
        log.warning("Compiling %s for this machine, once; later runs load %s.", _name(formula), path)
        examples = tuple(torch.full((1000,), 0.5 + n, dtype=dtype) for n in range(count))
        length = torch.export.Dim("length", min=2)
        program = torch.export.export(_Module(formula), examples, dynamic_shapes=(({0: length},) * count,))
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            # as many threads as torch uses when it runs, not when it was compiled
            options = {"cpp.dynamic_threads": True}
            built = aoti_compile_and_package(program, package_path=f"{folder}/{path.name}", inductor_configs=options)
            os.replace(built, path)
    run = aoti_load_package(str(path)).loader.boxed_run  # the package's own call costs 15 µs more, for nested arguments
    return lambda *arguments: run(list(arguments))[0]


class _Module(torch.nn.Module):
    """What torch.export takes; ``*arguments`` arrive as one input."""

    def __init__(self, formula: Formula) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, *arguments: Tensor) -> Tensor:
        return self.formula(*arguments)


def _name(formula: Formula) -> str:
    return getattr(formula, "__name__", type(formula).__name__).strip("_")


def _cache_folder() -> Path:
    """Where machine code is kept; a folder that vanishes with the process if the home cannot be written to."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "irg_experiments"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = _temporary_folder()
    return folder


@functools.cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="irg_experiments_"))


@functools.cache
def _source() -> bytes:
    """All formulas and coefficients, a change of which makes other machine code."""
    folder = Path(__file__).parent
    files = sorted([*folder.glob("special/*.py"), *folder.glob("sampling/*.py")])
    return b"".join(path.read_bytes() for path in files)


def _fingerprint(formula: Formula) -> str:
    """What the machine code depends on besides name and dtype: formula, torch, and this machine's processor."""
    machine = (platform.node(), platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.__version__)
    function = getattr(formula, "__qualname__", repr(formula))
    return hashlib.sha256(_source() + repr((function, *machine)).encode()).hexdigest()[:12]


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile has what it needs on this machine; says so in one log line, once, when not."""
    if device.type == "cpu" and not any(shutil.which(compiler) for compiler in ("g++", "clang++", "c++")):
        _warn_of_no_compiler()
        return False
    return device.type != "mps"


@functools.cache
def _warn_of_no_compiler() -> None:
    log.warning("No C++ compiler found: running without torch.compile, slower. Install g++ to speed this up.")
