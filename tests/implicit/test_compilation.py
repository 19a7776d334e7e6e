"""Special functions as machine code. The formula is a small one, as what is tested is everything around it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from irg_experiments import implicit
from irg_experiments.implicit import compilation
from irg_experiments.implicit.compilation import evaluate

calls = 0


def hypotenuse(a: Tensor, b: Tensor) -> Tensor:
    """Counts how often it is run eagerly, or traced."""
    global calls
    calls += 1
    return (a * a + b * b).sqrt()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compilation._kernel.cache_clear()
    compilation._warn_of_no_compiler.cache_clear()
    yield
    compilation._kernel.cache_clear()


def is_compiled() -> bool:
    """Whether a call leaves the formula alone."""
    before = calls
    evaluate(hypotenuse, (torch.ones(100), torch.ones(100)))
    return calls == before


def own_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == compilation.__name__]


def test_modes_are_checked():
    with pytest.raises(ValueError, match="one of auto, on, off, not 'fast'"):
        implicit.set_compile("fast")


@pytest.mark.compiler
def test_compiled_and_eager_agree_for_every_layout(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    implicit.set_compile("on")
    scalar, strided = torch.tensor(3.0), torch.rand(40, 80).T[::2]
    for arguments in (
        (scalar.expand(50), torch.rand(50)),
        (strided, strided * 2),
        (torch.rand(3, 1, 50), torch.rand(3, 1, 50)),
    ):
        torch.testing.assert_close(evaluate(hypotenuse, arguments), hypotenuse(*arguments))
    assert is_compiled()
    assert len(list(tmp_path.rglob("hypotenuse-float32-*.pt2"))) == 1
    assert [line.split(" for ")[0] for line in own_lines(caplog)] == ["Compiling hypotenuse"]
    # another process finds the file; a damaged one is made again
    compilation._kernel.cache_clear()
    caplog.clear()
    assert is_compiled()
    assert not own_lines(caplog)
    compilation._kernel.cache_clear()
    next(tmp_path.rglob("hypotenuse-*.pt2")).write_bytes(b"damaged")
    evaluate(hypotenuse, (scalar.expand(50), torch.rand(50)))
    assert is_compiled()
    assert "Compiling hypotenuse" in caplog.text


@pytest.mark.compiler
def test_short_work_is_never_compiled(monkeypatch: pytest.MonkeyPatch):
    implicit.set_compile("auto")
    monkeypatch.setattr(compilation, "_PATIENCE", 250)
    assert [is_compiled() for _ in range(2)] == [False, False]
    evaluate(hypotenuse, (torch.ones(100), torch.ones(100)))
    assert is_compiled()
    implicit.set_compile("off")
    assert not is_compiled()


def test_without_a_compiler_formulas_run_eagerly_with_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
    implicit.set_compile("on")
    assert not is_compiled()
    assert not is_compiled()
    a = torch.ones(100, dtype=torch.float64)
    torch.testing.assert_close(evaluate(hypotenuse, (a, a)), 2**0.5 * a)
    (line,) = own_lines(caplog)
    assert "g++" in line


def test_what_cannot_be_compiled_runs_eagerly(caplog: pytest.LogCaptureFixture):
    implicit.set_compile("on")

    def by_data(a: Tensor) -> Tensor:
        return a + 1 if a.sum() > 0 else a - 1

    with caplog.at_level(logging.WARNING):
        assert evaluate(by_data, (torch.ones(100),))[0] == 2
        assert evaluate(by_data, (-torch.ones(100),))[0] == -2
    assert len([line for line in own_lines(caplog) if "Could not compile" in line]) <= 1


@pytest.mark.compiler
def test_derivatives_and_transformations_see_the_formula():
    implicit.set_compile("on")
    a = torch.linspace(0.1, 3, 64, dtype=torch.float64)
    grad = torch.func.grad(lambda a: implicit.special.ndtr(a).sum())(a)
    torch.testing.assert_close(grad, (-0.5 * a * a).exp() / (2 * torch.pi) ** 0.5)
    compiled = implicit.special.log_ndtr(a)
    torch.testing.assert_close(torch.func.vmap(implicit.special.log_ndtr)(a), compiled)
    assert torch.autograd.gradcheck(implicit.special.log_ndtr, a.clone().requires_grad_(), check_forward_ad=True)
