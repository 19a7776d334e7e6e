"""Tables from records, for the terminal and for the README."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from irg_experiments.results.paper import PERPLEXITY, SAMPLE_DERIVATIVE, Figure

Record = dict[str, Any]


def method_label(record: Record) -> str:
    """The method as the paper's tables name it, with the option that tells its variants apart."""
    augmentation = record["config"]["method"].get("augmentation")
    return record["method"] if augmentation is None else f"{record['method']} B={augmentation}"


def paper_perplexity(record: Record) -> Figure | None:
    """The paper's figure for the record's model, method and data set."""
    return PERPLEXITY.get((record["model"], method_label(record)), {}).get(record["data"])


def perplexity_rows(records: Iterable[Record]) -> list[list[str]]:
    """One row for each model, method, data set, budget and command: perplexity over seeds beside the paper's."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        if record["status"] == "done" and "test_perplexity" in record["metrics"]:
            key = (record["model"], method_label(record), record["data"], record["budget"], without_seed(record["command"]))
            groups[key].append(record)
    return [_perplexity_row(key, groups[key]) for key in sorted(groups)]


PERPLEXITY_HEADER = ["model", "method", "data", "test perplexity", "corpus-level", "paper", "runs", "steps", "command"]


def _perplexity_row(key: tuple[str, ...], records: Sequence[Record]) -> list[str]:
    model, method, data, _, command = key
    paper = paper_perplexity(records[0])
    measured = (spread([r["metrics"][name] for r in records]) for name in ("test_perplexity", "test_perplexity_corpus"))
    seeds = ",".join(str(seed) for seed in sorted(record["seed"] for record in records))
    run = f"`{command} seed={seeds}`" if len(records) == 1 else f"`{command.replace('irg-run', 'irg-run -m', 1)} seed={seeds}`"
    steps = f"{records[0]['steps']:,}"
    return [model, method, data, *measured, str(paper) if paper else "–", str(len(records)), steps, run]


CROSS_ENTROPY_HEADER = [
    "distribution",
    "method",
    "variance",
    "to implicit's",
    "least",
    "most",
    "bias z",
    "worst z",
    "µs",
    "variance × µs",
]


def cross_entropy_rows(records: Iterable[Record]) -> list[list[str]]:
    """One row for each distribution and method of each run of experiment=cross_entropy, by variance."""
    rows = []
    for record in records:
        if record["status"] != "failed" and record["experiment"] == "cross_entropy":
            for distribution, methods in record["metrics"].items():
                ordered = sorted(methods.items(), key=lambda item: item[1]["variance"])
                rows += [[distribution, label, *_cross_entropy_cells(values)] for label, values in ordered]
    return rows


def _cross_entropy_cells(values: dict[str, float]) -> list[str]:
    ratios = [_three_digits(values[name]) if name in values else "–" for name in ("ratio", "least_ratio", "most_ratio")]
    bias = [f"{values['bias_z']:+.1f}", f"{values['bias_z_worst']:.1f}"]
    cost = values["variance"] * values["microseconds"]
    return [_three_digits(values["variance"]), *ratios, *bias, _three_digits(values["microseconds"]), _three_digits(cost)]


ACCURACY_HEADER = [
    "distribution",
    "method",
    "float32 error",
    "float64 error",
    "paper's",
    "float32 time",
    "float64 time",
    "paper's time",
]


def accuracy_rows(records: Iterable[Record]) -> list[list[str]]:
    """Mean relative error and time on the paper's protocol, as multiples of automatic differentiation's."""
    rows = []
    for record in _accuracy_records(records):
        for distribution, methods in record["metrics"].items():
            one = methods["automatic differentiation"]
            for method, by_dtype in methods.items():
                error, seconds = (
                    [by_dtype[d][kind] / one[d][kind] for d in ("float32", "float64")] for kind in ("paper_mean", "nanoseconds")
                )
                printed = SAMPLE_DERIVATIVE.get((distribution, method))
                paper = [f"{value:g}×" for value in printed] if printed else ["–", "–"]
                rows.append([distribution, method, *map(_multiple, error), paper[0], *map(_multiple, seconds), paper[1]])
    return rows


ACCURACY_ABSOLUTE_HEADER = ["distribution", "method", "dtype", "mean", "median", "worst", "wide: mean", "median", "worst", "ns"]


def accuracy_absolute_rows(records: Iterable[Record]) -> list[list[str]]:
    """Relative errors on the paper's protocol and on the wide range, and nanoseconds an element."""
    rows = []
    for record in _accuracy_records(records):
        for distribution, methods in record["metrics"].items():
            for method, by_dtype in methods.items():
                for dtype, values in by_dtype.items():
                    errors = [
                        f"{values[f'{points}_{kind}']:.1e}"
                        for points in ("paper", "wide")
                        for kind in ("mean", "median", "worst")
                    ]
                    rows.append([distribution, method, dtype, *errors, _three_digits(values["nanoseconds"])])
    return rows


def _accuracy_records(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record["experiment"] == "accuracy" and record["status"] != "failed"]


def _multiple(value: float) -> str:
    return f"{_three_digits(value)}×"


def _three_digits(value: float) -> str:
    """Three significant digits, plainly where that is short."""
    if value == 0 or not 1e-3 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def without_seed(command: str) -> str:
    """The command without its seed: that of all the runs which differ in nothing else."""
    return " ".join(word for word in command.split() if not word.startswith("seed="))


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over runs; the value alone when there is one."""
    mean = f"{statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.1f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
