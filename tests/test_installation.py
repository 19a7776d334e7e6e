"""The core needs torch alone, and the commands say what to install where the rest is missing."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from irg_experiments import installation
from tests.command_line import SECONDS

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
EXTRA = {module for module in installation.DEPENDENCIES.values() if module != "torch"}


def python(code: str, missing: set[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT.format(modules=missing) + code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=SECONDS)


def test_the_commands_check_the_dependencies():
    assert {Requirement(it).name for it in PROJECT["dependencies"]} == set(installation.DEPENDENCIES)
    assert all(map(installation.is_installed, installation.DEPENDENCIES.values()))


@pytest.mark.parametrize("command", ["run", "report"])
def test_the_commands_are_where_the_scripts_look_for_them(command: str):
    module, _, name = PROJECT["scripts"][f"irg-{command}"].partition(":")
    result = python(f"from {module} import {name}; sys.argv[1:] = ['--version']; {name}()", set())
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("irg-experiments ")


@pytest.mark.parametrize("command", ["run", "report"])
def test_the_commands_say_what_to_install(command: str):
    code = f"from irg_experiments.__main__ import {command}; {command}()"
    without_torch = " ".join(it for it in installation.DEPENDENCIES if it != "torch")
    for missing, told in ((EXTRA, without_torch), ({"rich"}, "rich")):
        result = python(code, missing)
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == f"error: irg-{command} needs packages that are not installed: pip install {told}\n"


def test_an_interruption_during_the_imports_is_one_line():
    code = """
from irg_experiments import __main__
def interrupt(name):
    raise KeyboardInterrupt
__main__.importlib.import_module = interrupt
__main__.run()
"""
    result = python(code, set())
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "irg-run was interrupted before it began.\n")


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
