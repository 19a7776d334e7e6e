"""The suite under other numbers of threads, instruction sets, orders of tests and random seeds: ``make test-everywhere``.

Prints one row per run, and exits with 1 if a test failed in any of them. ``python -m tests.everywhere seed order=1`` runs
these rows; arguments after ``--`` go to pytest.
"""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
THREADS = (1, 2, 4)
CAPABILITIES = ("default", "avx2", "avx512")  # torch takes the best that the processor has, if that is less
ORDERS = (1, 2, 3)
SEEDS = range(1, 11)


class Run(NamedTuple):
    """One run of pytest; the caches of compiled code are new in each, see conftest.py."""

    name: str
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()


def runs() -> Iterator[Run]:
    for threads in THREADS:
        yield Run(f"threads={threads}", {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")})
    for capability in CAPABILITIES:
        yield Run(f"capability={capability}", {"ATEN_CPU_CAPABILITY": capability})
    for order in ORDERS:
        yield Run(f"order={order}", {}, ("--random-order", f"--random-order-seed={order}"))
    for seed in SEEDS:
        yield Run(f"seed={seed}", {"IRG_TEST_SEED": str(seed)}, ("-m", "not compiler"))


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(names: list[str], options: list[str]) -> int:
    failed = False
    print(f"{'run':<20} {'passed':>7} {'failed':>7} {'skipped':>8} {'CPU s':>7}  comparisons")
    for run in runs():
        if names and not {run.name, run.name.partition("=")[0]} & set(names):
            continue
        before = children_seconds()
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", *run.arguments, *options]
        result = subprocess.run(command, cwd=ROOT, env={**os.environ, **run.environment}, capture_output=True, text=True)
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", result.stdout)}
        bad = sum(counts.get(word, 0) for word in ("failed", "error", "errors"))
        tally = re.search(r"^seed .*: (.*)$", result.stdout, re.MULTILINE)
        cells = f"{counts.get('passed', 0):>7} {bad:>7} {counts.get('skipped', 0):>8} {children_seconds() - before:>7.0f}"
        print(f"{run.name:<20} {cells}  {tally[1] if tally else ''}", flush=True)
        if result.returncode != 0:
            failed = True
            print(result.stdout[-8000:] + result.stderr[-2000:], flush=True)
    return int(failed)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    sys.exit(main(arguments[:split], arguments[split + 1 :]))
