"""The core needs torch alone, and the commands say what to install where the rest is missing."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from irg_experiments import installation

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# as if the packages of these modules were not installed
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
EXTRA = {module for module in installation.EXPERIMENTS.values() if module != "torch"}


def python(code: str, missing: set[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT.format(modules=missing) + code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


def packages(requirements: list[str]) -> set[str]:
    return {Requirement(it).name for it in requirements}


def test_an_installation_without_extras_brings_torch_alone():
    assert packages(PROJECT["dependencies"]) == {"torch"}


def test_the_commands_check_what_the_extra_brings():
    extra = PROJECT["optional-dependencies"]["experiments"]
    assert packages(extra) | {"torch"} == set(installation.EXPERIMENTS)
    assert all(map(installation.is_installed, installation.EXPERIMENTS.values()))


def test_extras_of_the_commands_bring_their_packages():
    extras = PROJECT["optional-dependencies"]
    assert [name for name, it in extras.items() if "irg-experiments[experiments]" not in it] == ["experiments", "pyro"]


@pytest.mark.parametrize("command", ["run", "report"])
def test_the_commands_are_where_the_scripts_look_for_them(command: str):
    module, _, name = PROJECT["scripts"][f"irg-{command}"].partition(":")
    result = python(f"from {module} import {name}; sys.argv[1:] = ['--version']; {name}()", set())
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("irg-experiments ")


@pytest.mark.parametrize("command", ["run", "report"])
def test_the_commands_say_what_to_install(command: str):
    code = f"from irg_experiments.__main__ import {command}; {command}()"
    for missing, told in (
        (EXTRA, ", ".join(sorted(it for it in installation.EXPERIMENTS if it != "torch"))),
        ({"rich"}, "rich"),
    ):
        result = python(code, missing)
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == f"error: irg-{command} needs {told}: pip install 'irg-experiments[experiments]'.\n"


def test_the_core_imports_torch_and_the_standard_library_alone():
    """torch itself imports NumPy where it is installed."""
    code = """
import torch
before = set(sys.modules)
from irg_experiments import implicit
new = {name for name in set(sys.modules) - before if not name.startswith("irg_experiments.implicit")}
print(sorted(name for name in new if name.partition(".")[0] not in sys.stdlib_module_names))
concentration = torch.full((100,), 0.5, requires_grad=True)
implicit.Dirichlet(concentration).rsample()[0].backward()
print(concentration.grad.isfinite().all().item())
"""
    result = python(code, EXTRA)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["['irg_experiments']", "True"]
