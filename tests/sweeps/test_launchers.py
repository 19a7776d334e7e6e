"""The same four runs by each launcher that is installed: one is refused, one diverges, two are done."""

import json
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.config import ConfigTree
from irg_experiments.errors import UserError
from irg_experiments.sweeps.launch import Launcher
from tests.command_line import irg_run

WORDS = {
    "joblib": ("+launch=parallel", "hydra.launcher.n_jobs=2"),
    "submitit_local": ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10"),
    "ray": ("+launch=ray", "+hydra.launcher.ray.init.num_cpus=2"),
}
SWEEP = """# Four runs.
params: {experiment: lda, budget: smoke, +data.num_test: 50, training.steps: 20}
rows:
  - {method: implicit, seed: "1,2"}
  - {method: explicit}
  - {method: implicit, training.learning_rate: 1e30}
"""


def swept(folder: Path, *words: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, stderr, and by directory what records say, of the sweep by a launcher."""
    home = folder.with_name("home")
    home.mkdir()
    (folder / "mine" / "sweep").mkdir(parents=True)
    (folder / "mine" / "sweep" / "four.yaml").write_text(SWEEP)
    # Ray writes a token into the home folder, and would send statistics of its use
    environment = {"HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"}
    result = irg_run("-m", "--config-dir", "mine", "+sweep=four", *words, cwd=folder, **environment)
    records = {path.parent.name: json.loads(path.read_text()) for path in sorted(folder.glob("outputs/lda/*/record.json"))}
    told = ("status", "metrics", "error", "identity", "command", "steps")
    return result.returncode, result.stderr, {name: {key: it[key] for key in told} for name, it in records.items()}


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, dict[str, Any]]:
    return swept(tmp_path_factory.mktemp("serial") / "here")


def test_one_after_another(serial: tuple[int, str, dict[str, Any]]):
    code, told, records = serial
    assert code == 1, told
    assert sorted(it["status"] for it in records.values()) == ["done", "done", "failed"]
    check_what_is_told(told)
    check_that_directories_are_told(told, records)


def check_that_directories_are_told(told: str, records: dict[str, Any]) -> None:
    for name, record in records.items():
        if record["status"] == "done":  # Ray may lose what a worker says in the last second
            assert f"Run directory: outputs/lda/{name}" in told


def check_what_is_told(told: str) -> None:
    assert "2 of 4 runs are not done" in told
    assert "method=explicit cannot differentiate" in told
    assert "The loss became nan" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("launcher", WORDS)
def test_other_launchers_do_the_same(launcher: str, serial: tuple[int, str, dict[str, Any]], tmp_path: Path):
    try:
        Launcher((f"hydra/launcher={launcher}",), ConfigTree()).check()
    except UserError as error:
        pytest.skip(str(error))
    code, told, records = swept(tmp_path / "here", *WORDS[launcher])
    assert code == 1, told
    check_what_is_told(told)
    assert records == serial[2], told
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"mine", "outputs"}
    if launcher == "submitit_local":  # whose workers write into files
        told = "".join(path.read_text() for path in tmp_path.glob("here/outputs/.submitit/*/*.err"))
    check_that_directories_are_told(told, records)
