"""Tables from records, for the terminal and for the README."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from irg_experiments.results.paper import PERPLEXITY, Figure

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
            key = (record["model"], method_label(record), record["data"], record["budget"], _without_seed(record["command"]))
            groups[key].append(record)
    return [_perplexity_row(key, groups[key]) for key in sorted(groups)]


PERPLEXITY_HEADER = ["model", "method", "data", "test perplexity", "corpus-level", "paper", "runs", "steps", "command"]


def _perplexity_row(key: tuple[str, ...], records: Sequence[Record]) -> list[str]:
    model, method, data, _, command = key
    paper = paper_perplexity(records[0])
    measured = (_spread([r["metrics"][name] for r in records]) for name in ("test_perplexity", "test_perplexity_corpus"))
    seeds = ",".join(str(seed) for seed in sorted(record["seed"] for record in records))
    run = f"`{command} seed={seeds}`" if len(records) == 1 else f"`{command.replace('irg-run', 'irg-run -m', 1)} seed={seeds}`"
    steps = f"{records[0]['steps']:,}"
    return [model, method, data, *measured, str(paper) if paper else "–", str(len(records)), steps, run]


def _without_seed(command: str) -> str:
    return " ".join(word for word in command.split() if not word.startswith("seed="))


def _spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over runs; the value alone when there is one."""
    mean = f"{statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.1f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
