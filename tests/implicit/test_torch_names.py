"""The private names of torch are in one module, exist in this version, and bound the required versions."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.version import Version

from irg_experiments.implicit import private_torch

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "irg_experiments"
NAMED = PACKAGE / "implicit" / "private_torch.py"
# the type of sizes in torch's own annotations
ALLOWED = {"torch.types._size"}


@pytest.mark.parametrize("name", private_torch.NAMES)
def test_the_names_exist(name: str):
    assert getattr(private_torch, name) is private_torch.lookup(private_torch.NAMES[name])


def test_a_name_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(private_torch.NAMES, "gone", "torch._C._gone")
    with pytest.raises(ImportError, match=r"^torch \S+ has no torch\._C\._gone, .* torch 2\.15\.0.* install") as error:
        from irg_experiments.implicit.private_torch import gone  # noqa: F401
    assert "\n" not in str(error.value)
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        private_torch.unknown  # noqa: B018


def test_the_requirement_is_bounded_by_the_newest_version_tried():
    tried = [Version(version) for version in private_torch.TRIED]
    assert tried == sorted(tried)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = (r for r in map(Requirement, project["dependencies"]) if r.name == "torch")
    (upper,) = (Version(s.version) for s in requirement.specifier if s.operator == "<")
    assert upper == Version(f"{tried[-1].major}.{tried[-1].minor + 1}")
    assert Version(torch.__version__).base_version in requirement.specifier


def test_constants_are_marked_as_torch_does():
    def function() -> int:
        return 1

    assert vars(private_torch.constant_when_traced(lambda: 1)) == vars(torch.compiler.assume_constant_result(function))


def test_no_other_module_uses_private_names():
    for path in sorted(set(PACKAGE.rglob("*.py")) - {NAMED}):
        found = set(private_names(ast.parse(path.read_text()))) - ALLOWED
        assert not found, f"{path.relative_to(ROOT)} uses {', '.join(sorted(found))}: look them up in {NAMED.name}"


def private_names(tree: ast.Module) -> Iterator[str]:
    """The dotted names below torch, in imports and expressions, with a part that begins with one underscore."""
    modules = {"torch": "torch"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    names = set(modules.values())
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {dotted(node, modules) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for name in names:
        parts = name.split(".")
        if parts[0] == "torch" and any(part.startswith("_") and not part.startswith("__") for part in parts):
            yield name


def dotted(node: ast.expr, modules: dict[str, str]) -> str:
    """The dotted name of an expression, or an empty string."""
    if isinstance(node, ast.Name):
        return modules.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, modules)
        return base and f"{base}.{node.attr}"
    return ""
