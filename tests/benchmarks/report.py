"""Seconds that ``irg-report`` takes over many records: ``python -m tests.benchmarks.report [NUMBER] [OPTION …]``.

The records are those of configurations of ``experiment=lda`` that differ in method, learning rate and seed, one folder each,
without metrics over time. Options go to ``irg-report``, such as ``--html page.html``; ``--profile`` prints where the time goes.
"""

import copy
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# a committed record that the others are variations of
ORIGINAL = "outputs/reference/lda/newsgroups-lda-rsvi-paper-seed0-39976eb8/record.json"
SEEDS = 5
AUGMENTATIONS = (1, 5, 10, 20)


def variation(original: dict[str, Any], number: int) -> dict[str, Any]:
    """The record of the run of that number: seeds vary fastest, then augmentations, then learning rates."""
    record = copy.deepcopy(original)
    configuration, seed = divmod(number, SEEDS)
    rate, augmentation = divmod(configuration, len(AUGMENTATIONS))
    method, training = record["config"]["method"], record["config"]["training"]
    method["augmentation"], training["learning_rate"] = AUGMENTATIONS[augmentation], 3e-4 * (1 + rate)
    record["seed"] = record["config"]["seed"] = seed
    record["method_label"] = f"RSVI, B = {AUGMENTATIONS[augmentation]}"
    record["group"], record["identity"] = f"{configuration:08x}", f"{number:08x}"
    record["metrics"]["test_perplexity"] += number % 17
    options = f"method.augmentation={method['augmentation']} training.learning_rate={training['learning_rate']:g}"
    record["command"] = f"irg-run experiment=lda budget=paper method=rsvi data=newsgroups {options} seed={seed}"
    return record


def write_records(folder: Path, number: int) -> None:
    original = json.loads((ROOT / ORIGINAL).read_text(encoding="utf-8"))
    for run in range(number):
        record = variation(original, run)
        directory = folder / "lda" / f"newsgroups-lda-rsvi-paper-seed{record['seed']}-{record['identity']}"
        directory.mkdir(parents=True)
        (directory / "record.json").write_text(json.dumps(record, indent=2), encoding="utf-8")


# runs irg-report in a process of its own; under the profiler the time goes to standard error
REPORT = "from irg_experiments.cli import report; report()"
PROFILED = """
import cProfile, pstats, sys
from irg_experiments.results.report import main
profile = cProfile.Profile()
profile.runcall(main, sys.argv[1:])
pstats.Stats(profile, stream=sys.stderr).sort_stats("cumulative").print_stats(50)
"""


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(words: list[str]) -> None:
    number = int(words.pop(0)) if words and words[0].isdecimal() else 10_000
    options = [word for word in words if word != "--profile"]
    code = PROFILED if "--profile" in words else REPORT
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder), number)
        start, before = time.perf_counter(), cpu_seconds()
        result = subprocess.run([sys.executable, "-c", code, folder, *options], cwd=ROOT, capture_output=True, text=True)
        seconds, cpu = time.perf_counter() - start, cpu_seconds() - before
    print(result.stderr, end="")
    print(f"{number} records: {seconds:.2f} s, {cpu:.2f} s of CPU time, {len(result.stdout.splitlines())} lines printed")


if __name__ == "__main__":
    main(sys.argv[1:])
