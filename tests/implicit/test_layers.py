"""The core is the lowest floor: it imports nothing from the rest of the package."""

import ast
from pathlib import Path

import irg_experiments.implicit


def test_the_core_imports_nothing_from_above_it():
    folder = Path(irg_experiments.implicit.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                allowed = not name.startswith("irg_experiments") or name.startswith("irg_experiments.implicit")
                assert allowed, f"{path} imports {name}"
