"""Formulas as machine code. The formula is a small one, as everything around it is tested; one test compiles it."""

import io
import pickle
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.implicit import _background, _kernel_cache, compilation
from irg_experiments.implicit.compilation import evaluate, resolve_mode
from irg_experiments.implicit.special.gamma import _gamma_sample_grad
from irg_experiments.implicit.special.von_mises_fisher import _InDimension, _ratio
from tests.disks import mounted

CPU = torch.device("cpu")
calls = 0


def hypotenuse(a: Tensor, b: Tensor) -> Tensor:
    """Counts how often it is run eagerly, or traced."""
    global calls
    calls += 1
    return (a * a + b * b).sqrt()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forget()
    yield
    forget()


def forget() -> None:
    """What a new process knows."""
    for function in (compilation._kernel, compilation._warn_once):
        function.cache_clear()
    compilation._background = _background.BackgroundCompiler()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Replaces the compiler by one that takes no time; the list of the formulas that it has compiled."""
    compiled: list[object] = []

    def compile_library(formula: object, dtype: torch.dtype, count: int, folder: Path) -> Path:
        compiled.append(formula)
        path = folder / "kernel.so"
        path.write_bytes(b"machine code" * 1000)
        return path

    monkeypatch.setattr(compilation.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(_kernel_cache, "compile_library", compile_library)
    monkeypatch.setattr(_kernel_cache, "load", lambda path: torch.hypot)
    implicit.set_compile("on")
    return compiled


def is_compiled() -> bool:
    """Whether a call leaves the formula alone."""
    before = calls
    result = evaluate(hypotenuse, (torch.full((100,), 3.0), torch.full((100,), 4.0)))
    assert (result == 5).all()
    return calls == before


def kernels(folder: Path) -> list[Path]:
    return list(folder.rglob("*.so"))


def own_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    names = (compilation.__name__, _background.__name__, _kernel_cache.__name__)
    return [record.getMessage() for record in caplog.records if record.name in names]


def test_modes_are_checked():
    for function in (implicit.set_compile, lambda mode: resolve_mode(mode, CPU)):
        with pytest.raises(ValueError, match="one of auto, on, off, not 'fast'"):
            function("fast")


def test_a_mode_is_resolved_by_what_the_machine_has(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(compilation.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert [resolve_mode(mode, CPU) for mode in compilation.MODES] == ["on", "on", "off"]
    assert resolve_mode("auto", torch.device("cuda")) == "on"
    assert not own_lines(caplog)
    monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
    assert resolve_mode("off", CPU) == "off"
    assert not own_lines(caplog)
    assert [resolve_mode(mode, CPU) for mode in ("auto", "auto", "on")] == ["off", "off", "off"]
    line, when_asked_for = own_lines(caplog)
    assert "Install g++" in line
    assert when_asked_for == f"compile=on has no effect. {line}"
    assert resolve_mode("on", torch.device("mps")) == "off"
    assert "mps" in own_lines(caplog)[-1]


@pytest.mark.compiler
def test_compiled_and_eager_agree_for_every_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    # without torch's tests of the compiler, and with the wrapper of the kernel not optimised, to save seconds
    for option, value in (("cpp.vec_isa_ok", True), ("aot_inductor.compile_wrapper_opt_level", "O0")):
        monkeypatch.setitem(_kernel_cache._OPTIONS, option, value)
    implicit.set_compile("on")
    scalar, strided = torch.tensor(3.0), torch.rand(40, 80).T[::2]
    for arguments in (
        (scalar.expand(50), torch.rand(50)),
        (strided, strided * 2),
        (torch.rand(3, 1, 50), torch.rand(3, 1, 50)),
    ):
        torch.testing.assert_close(evaluate(hypotenuse, arguments), hypotenuse(*arguments))
    assert is_compiled()
    (path,) = kernels(tmp_path)
    assert path.name.startswith("hypotenuse-float32-")
    assert [line.split(" for ")[0] for line in own_lines(caplog)] == ["Compiling hypotenuse"]
    assert list(path.parent.iterdir()) == [path]  # no temporary files remain
    # another process finds the file
    forget()
    caplog.clear()
    assert is_compiled()
    assert not own_lines(caplog)


def test_what_is_compiled_follows_from_each_call(compiler: list[object]):
    few = torch.ones(compilation._FEW - 1)
    evaluate(hypotenuse, (few, few))
    assert not compiler
    assert is_compiled()
    implicit.set_compile("off")
    assert not is_compiled()


def compiled_elsewhere(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Mode "auto" with a small patience, and a program in place of the process that compiles."""
    implicit.set_compile("auto")
    monkeypatch.setattr(compilation, "_PATIENCE", 250)
    monkeypatch.setattr(_background, "_PROGRAM", program)


def wait_for(process: "subprocess.Popen[bytes] | None") -> None:
    assert process is not None
    process.wait(60)


def test_in_mode_auto_no_call_waits_for_the_compiler(
    compiler: list[object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    compiled_elsewhere(monkeypatch, "import sys; sys.stdin.buffer.read()")
    assert [is_compiled() for _ in range(3)] == [False, False, False]
    process = compilation._background._process
    (line,) = own_lines(caplog)
    assert line.startswith("Compiling hypotenuse for this machine in another process")
    assert not compiler
    wait_for(process)
    _kernel_cache.load_or_compile(hypotenuse, torch.float32, 2)  # as the other process does
    assert is_compiled()
    assert len(compiler) == 1
    forget()  # another process that finds the kernel
    assert [is_compiled() for _ in range(3)] == [False, False, True]
    monkeypatch.setattr(compilation, "_PATIENCE_TO_LOAD", 150)
    forget()
    assert [is_compiled() for _ in range(2)] == [False, True]
    assert compilation._background._process is None


def test_a_kernel_that_is_not_in_the_cache_is_looked_for_once(compiler: list[object], monkeypatch: pytest.MonkeyPatch):
    implicit.set_compile("auto")
    monkeypatch.setattr(compilation, "_PATIENCE_TO_LOAD", 150)
    looked: list[object] = []
    monkeypatch.setattr(_kernel_cache, "intact_library", lambda *job: looked.append(job))
    assert not any(is_compiled() for _ in range(4))
    assert looked == [(hypotenuse, torch.float32)]
    assert not compiler


def test_what_another_process_cannot_compile_runs_eagerly(
    compiler: list[object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    compiled_elsewhere(monkeypatch, "import sys; sys.exit(1)")
    assert not any(is_compiled() for _ in range(3))
    wait_for(compilation._background._process)
    assert not any(is_compiled() for _ in range(3))
    assert not compiler
    line = 'Could not compile hypotenuse: it runs uncompiled, slower. set_compile("on") shows the error.'
    assert own_lines(caplog)[1:] == [line]


def test_the_other_process_compiles_what_it_is_sent(compiler: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    message = pickle.dumps((hypotenuse, torch.float32, 2))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(message)))
    _background.main()
    assert compiler == [hypotenuse]
    assert len(kernels(tmp_path)) == 1


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_unreadable(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "missing")


@pytest.mark.parametrize("damage", [truncate, flip, empty, make_unreadable])
def test_a_damaged_file_is_named_and_replaced(damage, compiler: list[object], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert is_compiled()
    (path,) = kernels(tmp_path)
    damage(path)
    forget()
    caplog.clear()
    assert is_compiled()
    (line,) = own_lines(caplog)
    assert f"because {path} is damaged" in line
    assert len(compiler) == 2
    (path,) = kernels(tmp_path)
    assert _kernel_cache._is_intact(path)


def runs_eagerly_with_one_line(caplog: pytest.LogCaptureFixture, dtype: torch.dtype = torch.float64) -> str:
    caplog.clear()
    forget()
    assert not is_compiled()
    assert not is_compiled()
    a = torch.ones(100, dtype=dtype)
    torch.testing.assert_close(evaluate(hypotenuse, (a, a)), 2**0.5 * a)
    (line,) = own_lines(caplog)
    return line


def test_without_a_compiler_formulas_run_eagerly(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
    implicit.set_compile("on")
    assert "g++" in runs_eagerly_with_one_line(caplog)


def test_without_a_folder_formulas_run_eagerly(compiler: list[object], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "irg_experiments").write_text("a file where the folder would be")
    assert "irg_experiments" in runs_eagerly_with_one_line(caplog)
    assert not compiler


def test_in_a_folder_that_cannot_be_written_formulas_run_eagerly(
    compiler: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(**arguments: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))  # permissions do not stop root

    monkeypatch.setattr(_kernel_cache.tempfile, "TemporaryDirectory", refuse)
    assert "Permission denied" in runs_eagerly_with_one_line(caplog)
    assert not compiler


def test_a_full_disk_is_noticed_before_compiling(
    compiler: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    assert is_compiled()
    (path,) = kernels(tmp_path)
    monkeypatch.setattr(_kernel_cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))
    forget()
    assert is_compiled()  # an intact file needs no room
    truncate(path)
    line = runs_eagerly_with_one_line(caplog, torch.float32)
    assert f"{path} is damaged, and less than 64 MiB are free" in line
    assert len(compiler) == 1


def test_what_cannot_be_compiled_runs_eagerly(compiler: list[object], monkeypatch: pytest.MonkeyPatch, caplog):
    def fail(formula: object, dtype: torch.dtype, count: int, folder: Path) -> Path:
        (folder / "partial.o").write_bytes(b"partial")
        raise RuntimeError("C++ compile error\n\nOutput:\nkernel.cpp:3: fatal error: the disk is full\nterminated.")

    monkeypatch.setattr(_kernel_cache, "compile_library", fail)
    assert not is_compiled()
    assert not is_compiled()
    line = own_lines(caplog)[-1]
    assert line == "Could not compile hypotenuse: kernel.cpp:3: fatal error: the disk is full. It runs uncompiled, slower."
    assert not list(_kernel_cache.cache_folder().iterdir())


def test_another_device_that_cannot_compile_runs_eagerly(monkeypatch: pytest.MonkeyPatch, caplog):
    def fail(formula: object, **options: object) -> object:
        def call(*arguments: Tensor) -> Tensor:
            raise RuntimeError("no Triton")

        return call

    monkeypatch.setattr(torch, "compile", fail)
    implicit.set_compile("on")
    kernel = compilation._Kernel(hypotenuse, torch.float32, "cuda")
    a = torch.ones(100)
    torch.testing.assert_close(kernel((a, a)), 2**0.5 * a)
    (line,) = own_lines(caplog)
    assert "no Triton" in line


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB with room for half the machine code."""
    with mounted(tmp_path / "disk", "1m") as folder:
        (folder / "filler").write_bytes(bytes(2**20 - 2**13))
        yield folder


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "TMPDIR", "TORCHINDUCTOR_CACHE_DIR"])
def test_with_a_full_disk_formulas_run_eagerly(
    variable: str, full_disk: Path, compiler: list[object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv(variable, str(full_disk))
    monkeypatch.setattr(_kernel_cache.tempfile, "tempdir", None)  # read TMPDIR again
    line = runs_eagerly_with_one_line(caplog)
    assert "less than 64 MiB are free in" in line
    assert str(full_disk) in line
    assert not compiler


def test_a_disk_that_fills_up_while_compiling_is_left_clean(
    full_disk: Path, compiler: list[object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(full_disk))
    monkeypatch.setattr(_kernel_cache, "_ROOM", 0)
    assert not is_compiled()
    assert "No space left" in own_lines(caplog)[-1]
    assert compiler
    assert not list((full_disk / "irg_experiments").iterdir())


def test_the_key_covers_what_a_formula_can_reach():
    names = {path.name for path in _kernel_cache._source_files(_gamma_sample_grad.__module__)}
    assert {"gamma.py", "_gamma_coefficients.py", "_arithmetic.py", "_elementwise.py"} < names
    assert not {"von_mises.py", "_beta_coefficients.py", "base.py"} & names
    names = {path.name for path in _kernel_cache._source_files(_InDimension(_ratio, 3).__module__)}
    assert "_von_mises_fisher_coefficients.py" in names
    names = {path.name for path in _kernel_cache._source_files(__name__)}
    assert {"test_compilation.py", "gamma.py"} < names


def test_the_key_depends_on_source_torch_and_instructions_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def key() -> str:
        return _kernel_cache.key_of(hypotenuse)

    keys = {key()}
    monkeypatch.setattr("platform.node", lambda: "another-host")
    monkeypatch.setattr("socket.gethostname", lambda: "another-host")
    assert keys == {key()}
    capabilities = {**torch.cpu.get_capabilities(), "num_logical_cores": 1000, "cpu_name": "another"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert keys == {key()}
    capabilities["an_extension"] = True
    keys.add(key())
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "ANOTHER")
    keys.add(key())
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    keys.add(key())
    source = tmp_path / "source.py"
    monkeypatch.setattr(_kernel_cache, "_source_files", lambda module: (source,))
    for text in ("a = 1", "a = 2"):
        source.write_text(text)
        keys.add(key())
    assert len(keys) == 6


def test_derivatives_and_transformations_pass_compiled_formulas(compiler: list[object], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_kernel_cache, "load", lambda path: compiler[-1])
    a = torch.linspace(0.1, 3, 64, dtype=torch.float64)
    grad = torch.func.grad(lambda a: implicit.special.ndtr(a).sum())(a)
    torch.testing.assert_close(grad, (-0.5 * a * a).exp() / (2 * torch.pi) ** 0.5)
    expected = torch.special.log_ndtr(a)
    torch.testing.assert_close(torch.func.vmap(implicit.special.log_ndtr)(a), expected)
    torch.testing.assert_close(torch.func.jvp(implicit.special.log_ndtr, (a,), (a,))[0], expected)
    assert torch.autograd.gradcheck(implicit.special.log_ndtr, a.clone().requires_grad_(), check_forward_ad=True)
