"""Commands in a process of their own."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); from irg_experiments.cli import run; run()"]


def irg_run(*arguments: str, cwd: Path, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """``irg-run`` with the arguments, its output redirected as ``shell`` says."""
    command = f"{shlex.join([*RUN, *arguments])} {shell}"
    return subprocess.run(
        command, shell=True, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
    )
