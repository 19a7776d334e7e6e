"""The programs of docs/examples.md run, and print what the page says."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from irg_experiments import implicit

PAGE = (Path(__file__).parents[1] / "docs" / "examples.md").read_text()
# heading, program, what it prints
EXAMPLES = re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def test_every_program_of_the_page_is_run():
    assert len(EXAMPLES) == PAGE.count("```python") == 7


@pytest.mark.parametrize(("heading", "program", "printed"), EXAMPLES, ids=[heading for heading, *_ in EXAMPLES])
def test_a_program_prints_what_the_page_says(heading: str, program: str, printed: str):
    """The numbers within the noise of training, as rounding differs between processors."""
    assert len([line for line in program.splitlines() if line.strip()]) < 30
    if "import pyro" in program and importlib.util.find_spec("pyro") is None:
        pytest.skip("Pyro is not installed (pip install 'irg-experiments[pyro]')")
    output = io.StringIO()
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(output):
        exec(program, names)
    assert NUMBER.sub("#", output.getvalue()) == NUMBER.sub("#", printed)
    found, expected = (torch.tensor([float(it) for it in NUMBER.findall(text)]) for text in (output.getvalue(), printed))
    torch.testing.assert_close(found, expected, rtol=0.25, atol=0.02)


def test_what_the_table_names_exists():
    table = PAGE.partition("## Instead of")[2]
    for name in re.findall(r"`(?:\w+ )?(implicit\.[\w.]+)\(", table):
        value: Any = implicit
        for part in name.split(".")[1:]:
            value = getattr(value, part)
    plain = {"ExpConcrete", "LogisticNormal", "Normal"}  # subclasses with torch's own gradients
    assert all(f"`implicit.{name}(" in table for name in {*implicit.distributions.__all__} - plain)
    of_torch = re.findall(r"td\.(\w+)\(", table)
    assert len(of_torch) >= 10
    assert all(hasattr(torch.distributions, name) for name in of_torch)
    for name in re.findall(r"`td\.(\w+)\([^|]*no `rsample`", table):
        assert not getattr(torch.distributions, name).has_rsample
