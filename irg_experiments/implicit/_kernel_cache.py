"""Machine code of formulas for the CPU: compiled by torch ahead of time, kept on disk, verified before it is loaded.

A kernel is a shared library in ``$XDG_CACHE_HOME/irg_experiments`` (default ``~/.cache/irg_experiments``). Its file name holds

    <formula>-<dtype>-<key>-<digest>.so

The key is a hash of what the machine code depends on: the source of the formula, torch's version, the instruction set and the
compiler options. It does not contain the host name, so machines with one instruction set can share a folder. The digest is a
hash of the content: a truncated or altered file does not match its name and is compiled again. A file gets its name when it is
complete.

torch's own format, the ``.pt2`` archive, is avoided: its writer terminates the process when the disk is full, and its reader
extracts the library to a temporary folder in every process.
"""

import ast
import functools
import glob
import hashlib
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

log = logging.getLogger(__name__)

Formula = Callable[..., Tensor]

_OPTIONS = {
    "cpp.dynamic_threads": True,  # as many threads as torch uses at run time, not at compile time
    "cpp.simdlen": None,  # the instruction set of the machine, whatever the caller configured for torch.compile
    # operations per loop, 64 by default: the formula of beta.py has 87, and takes a fifth more time in two loops
    "max_fusion_size": 128,
    # precompiled headers take 280 MB of the temporary folder, and 18 s to make; they save 4 s per kernel
    "aot_inductor.precompile_headers": False,
}
_PACKAGE = __name__.partition(".")[0]
# free space that a compilation needs in each folder it writes to, in bytes
_ROOM = 64 * 2**20


def load_or_compile(formula: Formula, dtype: torch.dtype, count: int) -> Callable[..., Tensor]:
    """The machine code of a formula of ``count`` vectors of one length and dtype, from the cache or compiled now.

    Raises:
        Exception: the cache cannot be read or written, or the compiler failed.
    """
    path = intact_library(formula, dtype)
    if path is not None:
        return load(path)
    folder, stem = cache_folder(), _stem(formula, dtype)
    found = _libraries(folder, stem)
    try:
        return load(_compile_into(folder, stem, formula, dtype, count, damaged=found))
    except OSError as error:
        if not found:
            raise
        raise OSError(f"{found[0]} is damaged, and {error}") from error


def intact_library(formula: Formula, dtype: torch.dtype) -> Path | None:
    """The machine code of a formula in the cache, if it is there and not damaged.

    Raises:
        OSError: the cache cannot be read.
    """
    return next(filter(_is_intact, _libraries(cache_folder(), _stem(formula, dtype))), None)


def _stem(formula: Formula, dtype: torch.dtype) -> str:
    return f"{name_of(formula)}-{str(dtype).removeprefix('torch.')}-{key_of(formula)}"


def _libraries(folder: Path, stem: str) -> list[Path]:
    return sorted(folder.glob(f"{glob.escape(stem)}-*.so"))


def _compile_into(folder: Path, stem: str, formula: Formula, dtype: torch.dtype, count: int, damaged: list[Path]) -> Path:
    """Compile a formula to a file in the folder, and remove the damaged ones."""
    require_room(folder, tempfile.gettempdir(), os.environ.get("TORCHINDUCTOR_CACHE_DIR"))
    with tempfile.TemporaryDirectory(dir=folder, prefix="compiling-") as workplace:
        reason = f" because {damaged[0]} is damaged" if damaged else ""
        log.warning("Compiling %s for this machine%s; later runs load it from %s.", name_of(formula), reason, folder)
        library = compile_library(formula, dtype, count, Path(workplace))
        path = folder / f"{stem}-{_digest(library)}.so"
        for old in damaged:
            with suppress(OSError):
                old.unlink()
        os.replace(library, path)
    return path


def compile_library(formula: Formula, dtype: torch.dtype, count: int, folder: Path) -> Path:
    """Compile a formula to a shared library in the folder."""
    from irg_experiments.implicit.private_torch import aot_compile  # takes seconds to import

    examples = tuple(torch.full((1000,), 0.5 + n, dtype=dtype) for n in range(count))
    length = torch.export.Dim("length", min=2)
    program = torch.export.export(_Module(formula), examples, dynamic_shapes=(({0: length},) * count,))
    options = {**_OPTIONS, "aot_inductor.output_path": str(folder / "kernel.so")}
    return Path(aot_compile(program.module(), examples, options=options))


def load(path: Path) -> Callable[..., Tensor]:
    """The function in a shared library."""
    from irg_experiments.implicit.private_torch import AOTIModelContainerRunnerCpu

    run = AOTIModelContainerRunnerCpu(str(path), 1).run
    return lambda *arguments: run(list(arguments))[0]


class _Module(torch.nn.Module):
    """A formula as torch.export takes it; ``*arguments`` arrive as one input."""

    def __init__(self, formula: Formula) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, *arguments: Tensor) -> Tensor:
        return self.formula(*arguments)


def name_of(formula: Formula) -> str:
    """The formula's name in file names and log lines."""
    return getattr(formula, "__name__", type(formula).__name__).strip("_")


def cache_folder() -> Path:
    """The folder of kernels, created if it does not exist.

    Raises:
        OSError: it cannot be created.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "irg_experiments"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def require_room(*folders: Path | str | None) -> None:
    """Check the free space of folders; None and missing folders are skipped.

    Raises:
        OSError: less is free than a compilation needs.
    """
    for folder in folders:
        if folder is not None and os.path.isdir(folder) and shutil.disk_usage(folder).free < _ROOM:
            raise OSError(f"less than {_ROOM >> 20} MiB are free in {folder}")


def _is_intact(path: Path) -> bool:
    """Whether the content of a file matches the digest in its name; False if it cannot be read."""
    try:
        return path.stem.endswith(f"-{_digest(path)}")
    except OSError:
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def key_of(formula: Formula) -> str:
    """A hash of what the machine code depends on besides dtype: formula, source, torch, instruction set and options."""
    function = getattr(formula, "__qualname__", repr(formula))
    parts = (function, torch.__version__, _instruction_set(), sorted(_OPTIONS.items()))
    digest = hashlib.sha256(repr(parts).encode())
    for path in _source_files(formula.__module__):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _instruction_set() -> tuple[object, ...]:
    """All that decides which instructions torch's compiler uses.

    It takes the widest vector instructions of the CPU unless ``ATEN_CPU_CAPABILITY`` limits them, and g++ may use all others
    (``-march=native``). Asking it for its choice would import it, which takes seconds.
    """
    capabilities = torch.cpu.get_capabilities()
    limit = os.environ.get("ATEN_CPU_CAPABILITY")
    widths = {key: value for key, value in capabilities.items() if key.endswith("max_length")}
    features = sorted(key for key, value in capabilities.items() if value is True)
    return capabilities.get("architecture"), torch.backends.cpu.get_cpu_capability(), limit, features, sorted(widths.items())


@functools.cache
def _source_files(module: str) -> tuple[Path, ...]:
    """The source files of a formula's module and of everything that it imports from its own package and this one.

    A formula may call any of them. Modules that it cannot reach do not count, so their changes compile nothing again.
    """
    roots = {module.partition(".")[0], _PACKAGE}
    files: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        source = getattr(sys.modules.get(name), "__file__", None)
        if name in files or source is None or name.partition(".")[0] not in roots:
            continue
        files[name] = Path(source)
        waiting += _imports(name, files[name].read_text(encoding="utf-8"))
    return tuple(path for _, path in sorted(files.items()))


def _imports(module: str, source: str) -> Iterator[str]:
    """The absolute names of the modules that a module's source imports."""
    package = sys.modules[module].__package__ or ""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                yield submodule if submodule in sys.modules else origin
