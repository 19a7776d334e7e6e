"""Commands in a process of their own."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# far more than any load takes: only what would never end is killed
SECONDS = 1200
RUN, REPORT = (
    [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); from irg_experiments.cli import {name}; {name}()"]
    for name in ("run", "report")
)


def irg_run(*arguments: str, cwd: Path, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """``irg-run`` with the arguments, its output redirected as ``shell`` says; ``)`` there closes a subshell around it."""
    return _in_a_process(RUN, arguments, cwd, shell, environment)


def irg_report(*arguments: str, cwd: Path, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """``irg-report``, as ``irg_run``."""
    return _in_a_process(REPORT, arguments, cwd, shell, environment)


def _in_a_process(
    command: list[str], arguments: tuple[str, ...], cwd: Path, shell: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    line = f"{'(' * shell.count(')')}{shlex.join([*command, *arguments])} {shell}"
    return subprocess.run(
        line, shell=True, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=SECONDS
    )
