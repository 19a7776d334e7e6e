import subprocess
import sys

from tests import faults
from tests.command_line import SECONDS


def test_a_killed_run_of_each_kind_ends_as_an_uninterrupted_one():
    command = [sys.executable, "-m", "tests.faults", "kill -9", "--times", "1", "--compile", "off"]
    result = subprocess.run(command, cwd=faults.ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines() == [f"{name}, kill -9: 1 of 1" for name in faults.RUNS]


def test_the_table_is_that_of_the_counts():
    page = faults.PAGE.read_text(encoding="utf-8")
    assert page.partition(faults.BEGIN)[2].partition(faults.END)[0] == f"\n{faults.table()}\n"
