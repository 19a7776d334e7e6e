"""Run another project's pytest suite with torch's distributions replaced by this package's, and name what fails only then.

    python -m tests.foreign PATH [arguments of pytest]

The suite runs twice in the current directory, each time in a process of its own: as it is, and with every class of
``torch.distributions`` that this package has a subclass of replaced by that subclass. Each test starts from the same seed.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SEED = 0
ROOT = Path(__file__).resolve().parents[1]


def replace() -> dict[str, str]:
    """Replace torch's classes by this package's, in all modules of ``torch.distributions`` but those that define them.

    There torch names the class in ``super(Gamma, new)``, which would then mean the subclass.

    Returns:
        The names of the classes that were replaced, with those of the classes that replace them.
    """
    import torch

    distributions = importlib.import_module("irg_experiments.implicit.distributions")
    modules = [module for name, module in sys.modules.items() if name.split(".")[:2] == ["torch", "distributions"]]
    replaced = {}
    for own in (getattr(distributions, name) for name in distributions.__all__):
        for peer in own.__bases__:
            if peer.__module__.startswith("torch.distributions.") and peer is not torch.distributions.Distribution:
                replaced[peer.__qualname__] = own.__qualname__
                for module in modules:
                    if module.__name__ != peer.__module__ and vars(module).get(peer.__name__) is peer:
                        setattr(module, peer.__name__, own)
    return replaced


class Recorder:
    """A plugin of pytest: seeds each test, and keeps its outcome and the last line of its error."""

    def __init__(self) -> None:
        self.outcomes: dict[str, tuple[str, str]] = {}

    def pytest_runtest_setup(self, item: Any) -> None:
        import torch

        torch.manual_seed(SEED)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or not report.passed:
            failure = report.longreprtext.splitlines()[-1:] if report.failed else []
            errors = [line for line in report.longreprtext.splitlines() if line.startswith("E ")] if report.failed else []
            self.outcomes[report.nodeid] = report.outcome, " ".join((errors[:1] or failure) or [""])

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.outcomes[report.nodeid] = "failed", report.longreprtext.splitlines()[-1]


def run(package: bool, results: Path, arguments: list[str]) -> None:
    """Run pytest in this process and write the outcomes as JSON."""
    import pytest

    if package:
        names = replace()
        print("replaced:", ", ".join(names), flush=True)
    recorder = Recorder()
    pytest.main([*arguments, "-p", "no:cacheprovider"], plugins=[recorder])
    results.write_text(json.dumps(recorder.outcomes, indent=1))


def outcomes(classes: str, results: Path, arguments: list[str]) -> dict[str, tuple[str, str]]:
    """Run the suite in a process of its own and return its outcomes."""
    # -P: a suite's own package ``tests`` is not to be taken for this one
    subprocess.run([sys.executable, "-P", __file__, "--with", classes, "--results", str(results), *arguments], check=True)
    return json.loads(results.read_text())


def count(found: dict[str, tuple[str, str]]) -> str:
    states = [state for state, _ in found.values()]
    return ", ".join(f"{states.count(state)} {state}" for state in ("passed", "failed", "skipped"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Name the tests of a suite that fail with this package's distributions only.")
    parser.add_argument("path", help="a file or folder of tests; further arguments go to pytest")
    parser.add_argument("--results", type=Path, help="a folder to keep the outcomes in; those with torch's classes are reused")
    parser.add_argument("--with", choices=("torch", "package"), dest="classes", help=argparse.SUPPRESS)
    options, arguments = parser.parse_known_args()
    arguments.insert(0, options.path)
    if options.classes:
        # this copy of the package, but not this ``tests``
        sys.path.insert(0, str(ROOT))
        importlib.import_module("irg_experiments.implicit")
        sys.path.remove(str(ROOT))
        run(options.classes == "package", options.results, arguments)
        return 0
    folder = options.results or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    before, after = folder / "torch.json", folder / "package.json"
    torchs = json.loads(before.read_text()) if before.exists() else outcomes("torch", before, arguments)
    ours = outcomes("package", after, arguments)
    new = {test: why for test, (state, why) in ours.items() if state == "failed" and torchs.get(test, [""])[0] != "failed"}
    gone = [test for test, (state, _) in torchs.items() if state == "failed" and ours.get(test, [""])[0] != "failed"]
    print(f"with torch's classes: {count(torchs)}\nwith this package's: {count(ours)}")
    print(f"{len(gone)} tests fail with torch's classes only, {len(new)} with this package's only:")
    for test, why in new.items():
        print(f"{test}\n    {why}")
    return int(bool(new))


if __name__ == "__main__":
    sys.exit(main())
