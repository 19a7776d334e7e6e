"""The built wheel works by itself, in an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.command_line import SECONDS

ROOT = Path(__file__).parents[1]


def test_the_wheel_runs_an_experiment_in_an_empty_folder(tmp_path: Path):
    wheels, site, empty = (tmp_path / name for name in ("wheels", "site", "empty"))
    empty.mkdir()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=SECONDS)
    (wheel,) = wheels.iterdir()
    zipfile.ZipFile(wheel).extractall(site)  # not by pip, which environments made by uv lack
    code = "import irg_experiments.cli as cli; print(cli.__file__); cli.run()"
    result = subprocess.run(
        [sys.executable, "-c", code, "budget=smoke", "compile=off", "threads=1"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(str(site))
    assert "test perplexity" in result.stdout
    assert len(list(empty.glob("outputs/lda/*/record.json"))) == 1
