"""Fixtures that all tests share."""
# ruff: noqa: E402

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Machine code that another process left must not decide a test: torch does not key its own by instruction set.
CACHES = tempfile.TemporaryDirectory(prefix="irg_tests_")
for variable in ("TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME"):
    os.environ[variable] = str(Path(CACHES.name) / variable.lower())
# Read when torch is imported: its threads sleep while they wait, where otherwise they spin, which costs twice the CPU time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# What a shell or a CI service says of colours, widths and tracebacks must not decide a test, either.
for variable in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "IRG_FULL_ERROR"):
    os.environ.pop(variable, None)
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hydra
import pytest
import torch
from omegaconf import DictConfig

from irg_experiments import implicit
from irg_experiments.config.composition import hydra_session
from irg_experiments.implicit.compilation import can_compile
from tests.compiler import quick_compiler
from tests.statistics import SEED, TALLY, seed

SKIPS = {
    "compiler": (can_compile(torch.device("cpu")), "no C++ compiler on this machine"),
    "cuda": (torch.cuda.is_available(), "no CUDA device on this machine"),
}


def pytest_configure() -> None:
    # a shell starts what is in the background with these ignored, and so would be the runs that tests start
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (available, reason) in SKIPS.items():
            if marker in item.keywords and not available:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    gc.freeze()  # garbage collections take half a second longer where they scan torch's modules


def pytest_unconfigure() -> None:
    gc.unfreeze()
    CACHES.cleanup()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.count:
        terminalreporter.write_line(f"seed {SEED}: {TALLY.count} statistical comparisons, the largest |z| {TALLY.largest:.2f}")


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    """Every test starts from the same state, whichever tests ran before it."""
    seed()
    threads = torch.get_num_threads()
    torch.distributions.Distribution.set_default_validate_args(True)  # torch.compile turns it off for the process
    implicit.set_compile("off")  # "auto" depends on how much the tests before computed
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()  # it compiles a function for at most eight sets of arguments
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def _on_the_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """``device=auto`` is the CPU in all tests but those of CUDA, and in the commands that they start."""
    if "cuda" not in request.keywords:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(autouse=True)
def _quick_compiler(request: pytest.FixtureRequest) -> Iterator[None]:
    if "compiler" not in request.keywords:
        yield
        return
    with quick_compiler():
        yield


@pytest.fixture
def traced_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """``torch.compile`` traces as always, and runs the graph without machine code, which would take most of the time."""
    compile_ = torch.compile

    def trace(function: Callable[..., Any], options: dict[str, Any] | None = None, **settings: Any) -> Callable[..., Any]:
        kept = {name: value for name, value in (options or {}).items() if name == "guard_filter_fn"}
        return compile_(function, backend="aot_eager", options=kept or None, **settings)

    monkeypatch.setattr(torch, "compile", trace)


@pytest.fixture
def compose() -> Callable[..., DictConfig]:
    """Composes a config as the command line does."""

    def compose(*overrides: str) -> DictConfig:
        with hydra_session():
            return hydra.compose("config", list(overrides))

    return compose


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets, which IRG_DATA names; without it the test is skipped."""
    root = os.environ.get("IRG_DATA")
    if root is None or not Path(root).is_dir():
        pytest.skip("IRG_DATA names no folder with the real data sets")
    return Path(root)
