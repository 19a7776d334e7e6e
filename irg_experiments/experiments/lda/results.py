"""Perplexities beside the paper's, and the words of topics."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irg_experiments.experiments.gradient_variance import VARIANCE
from irg_experiments.experiments.protocol import UNTOLD
from irg_experiments.results.aggregate import by_number, command, notes, options_of, repetitions, spread, words_of
from irg_experiments.results.arrays import Arrays
from irg_experiments.results.paper import Printed, difference, has_options_of_its_file
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

TOP_WORDS, TOP_TOPICS = 10, 10
# the number of topics of the paper's table
PAPER_TOPICS = 50
NEAR_ZERO = 1e-3
# over documents, of the weights in a figure: the middle and the band about it
QUANTILES = (0.1, 0.5, 0.9)

# test perplexity (Figurnov, Mohamed & Mnih 2018): (model, method) -> data set -> mean and standard deviation
PAPER: dict[tuple[str, str], dict[str, Printed]] = {
    ("lda", "implicit"): {"newsgroups": Printed(876, 7), "rcv1": Printed(896, 6)},
    ("lda", "RSVI, B = 1"): {"newsgroups": Printed(1066, 7), "rcv1": Printed(1505, 33)},
    ("lda", "RSVI, B = 5"): {"newsgroups": Printed(968, 18), "rcv1": Printed(1075, 15)},
    ("lda", "RSVI, B = 10"): {"newsgroups": Printed(887, 10), "rcv1": Printed(953, 16)},
    ("lda", "RSVI, B = 20"): {"newsgroups": Printed(865, 11), "rcv1": Printed(907, 13)},
    ("lda_svi", "SVI"): {"newsgroups": Printed(964, 4), "rcv1": Printed(1330, 4)},
    ("ln_lda", "explicit"): {"newsgroups": Printed(875, 6), "rcv1": Printed(951, 10)},
}


def paper_perplexity(record: Record) -> Printed | None:
    """The paper's figure for the record's method and data set.

    None unless the model has the paper's topics and else the options of its file, as have data and method but for those options
    that the method's label tells.
    """
    config = record["config"]
    model, free = config["model"], {"method": ("augmentation", "prior"), "data": ("root",), "model": ("topics",)}
    if model.get("topics") != PAPER_TOPICS:
        return None
    if not all(has_options_of_its_file(group, config[group], *free[group]) for group in free):
        return None
    return PAPER.get((record["model"], record["method_label"]), {}).get(record["data"])


def perplexity_table(records: Sequence[Record]) -> Table:
    """One row per configuration: perplexity over seeds beside the paper's."""
    groups = groups_of(records)
    names = ["model", "method", "data", "test perplexity", "corpus-level", "paper", "difference (in standard errors)", "runs"]
    header = [*names, "steps", "steps/s", "command"]
    rows = [_row(group, note) for group, note in zip(groups, notes_of(groups), strict=True)]
    title = "Test perplexity, mean ± standard deviation over runs"
    return Table("perplexity", title, header, rows, labels=3, page_only=("command",), made_of=groups)


# of the topic weights per document; the label of a method tells it
_SAMPLES = "training.num_samples"


def label_of(record: Record) -> str:
    """The method's label, and the number of samples per document where there are several."""
    samples = record["config"].get("training", {}).get("num_samples") or 1
    label: str = record["method_label"]
    return f"{label}, {samples} samples" if samples > 1 else label


def _shown(record: Record) -> tuple[str, ...]:
    """By what the tables tell configurations apart."""
    return record["model"], label_of(record), record["data"], record["budget"]


def groups_of(records: Sequence[Record]) -> list[list[Record]]:
    """Repetitions of each configuration, in the order of the tables.

    A run that also measured variances of gradients has the metrics of one that did not, which stands for both.
    """
    measured = {id(record): _without_variances(record) for record in records if _measured_variances(record)}
    plain = {_without_variances(record) for record in records if measured and id(record) not in measured}
    kept = [record for record in records if measured.get(id(record)) not in plain]
    return sorted(repetitions(kept), key=lambda runs: [by_number(name) for name in _shown(runs[0])])


def _without_variances(record: Record) -> str:
    """What the run is, but for its measurements of gradient variances: equal texts for equal runs."""
    told = {key: value for key, value in options_of(record["config"]).items() if not key.startswith("gradient_variance.")}
    return json.dumps([_shown(record), record["seed"], {key: told[key] for key in sorted(told.keys() - UNTOLD)}])


def _measured_variances(record: Record) -> bool:
    return bool(record["config"].get("gradient_variance", {}).get("methods"))


def notes_of(groups: Sequence[Sequence[Record]]) -> list[str]:
    """Per configuration, what tells it from others of the same model, method, data set and budget: options, or the code."""
    return notes(groups, _shown, UNTOLD | {_SAMPLES})


def quality_table(records: Sequence[Record]) -> Table:
    """One row per configuration: what the topics are like, over seeds; – where a record lacks the metric."""
    groups = groups_of(records)
    measured = ["NPMI", "diversity", f"weights below {NEAR_ZERO:g}", "effective topics"]
    header = ["model", "method", "data", *measured, "runs", "steps"]
    columns = {"topic_coherence": 3, "topic_diversity": 3, "topic_weight_sparsity": 3, "effective_topics": 2}
    rows = []
    for group, note in zip(groups, notes_of(groups), strict=True):
        first = group[0]
        found = [_spread_if_recorded(group, metric, digits) for metric, digits in columns.items()]
        names = [first["model"], label_of(first) + note, first["data"]]
        rows.append([*names, *found, str(len(group)), f"{first['steps']:,}"])
    title = "Topic coherence, topic diversity and sparsity of topic weights, mean ± standard deviation over runs"
    return Table("topic_quality", title, header, rows, labels=3, made_of=groups)


def _spread_if_recorded(records: Sequence[Record], metric: str, digits: int) -> str:
    recorded = all(metric in record["metrics"] for record in records)
    return spread([record["metrics"][metric] for record in records], digits) if recorded else "–"


def headline_table(records: Sequence[Record]) -> Table:
    """Runs of the paper's budget: perplexity beside the paper's."""
    full = perplexity_table([it for it in records if it["budget"] == "paper" and not _trains_otherwise(it, _SAMPLES)])
    columns = len(full.header) - 3
    return Table("perplexity_headline", full.title, full.header[:columns], [row[:columns] for row in full.rows], labels=3)


def _row(records: Sequence[Record], note: str) -> list[str]:
    first = records[0]
    per_document, corpus = (
        [record["metrics"][name] for record in records] for name in ("test_perplexity", "test_perplexity_corpus")
    )
    printed = paper_perplexity(first)
    comparable = printed if first["budget"] == "paper" and not _trains_otherwise(first) else None
    measured = [spread(per_document), spread(corpus), str(printed or "–"), difference(per_document, comparable)]
    speed = f"{statistics.fmean(record['steps_per_second'] for record in records):,.0f}"
    remark = first["config"]["data"].get("note")
    names = [first["model"], label_of(first) + note, f"{first['data']}, {remark}" if remark else first["data"]]
    return [*names, *measured, str(len(records)), f"{first['steps']:,}", speed, f"`{command(records)}`"]


def _trains_otherwise(record: Record, *but: str) -> bool:
    """Whether the command changes how its budget trains, apart from the keys ``but``."""
    keys = {word.lstrip("+").partition("=")[0] for word in words_of(record)} - {*but}
    return any(key.startswith("training.") or "budgets." in key for key in keys)


def metrics_table(record: Record) -> Table:
    """All metrics of one run, beside what is known of them."""
    m = record["metrics"]
    best, paper = m.get("true_model_perplexity"), str(paper_perplexity(record) or "–")
    rows = [
        ["test perplexity, mean over documents", spread([m["test_perplexity"]], 2), paper, f"{best:.2f}" if best else "–"],
        ["test perplexity, corpus level", spread([m["test_perplexity_corpus"]], 2), "–", "–"],
        *_bound_rows(m),
        ["test ELBO, nats per document", spread([m["test_elbo"]], 2), "–", "–"],
        ["test KL, nats per document", spread([m["test_kl"]], 2), "–", "–"],
        [f"document weights below {NEAR_ZERO:g}", f"{m['topic_weight_sparsity'] or 0:.1%}", "–", "–"],
        ["effective topics per document", _spread_if_recorded([record], "effective_topics", 2), "–", "–"],
        ["topic coherence, NPMI", _spread_if_recorded([record], "topic_coherence", 3), "–", "–"],
        ["topic diversity", _spread_if_recorded([record], "topic_diversity", 3), "–", "–"],
        *([f"gradient variance, {name}", f"{value:.3g}", "–", "–"] for name, value in _variances(m).items()),
        ["steps per second", f"{record['steps_per_second']:.0f}", "–", "–"],
    ]
    names = f"{record['model']}, {label_of(record)}, {record['data']}"
    title = f"{names}, {record['steps']:,} steps, seed {record['seed']}"
    return Table("metrics", title, ["metric", "measured", "paper", "true model"], rows)


def _variances(metrics: dict[str, Any]) -> dict[str, float]:
    """Variances of the encoder's gradient at the last evaluation, by method."""
    measured = {name: value for name, value in metrics.items() if name.startswith(VARIANCE) and value is not None}
    return {name.removeprefix(VARIANCE).replace("_", " "): value for name, value in measured.items()}


def _bound_rows(metrics: dict[str, Any]) -> list[list[str]]:
    """Perplexities of the exact bound, where the topics have a posterior."""
    names = {
        "test perplexity, exact bound over the topics' posterior": "test_perplexity_bound",
        "the same, corpus level, with the topics' divergence from their prior": "test_perplexity_bound_corpus",
    }
    return [[row, spread([metrics[name]], 2), "–", "–"] for row, name in names.items() if name in metrics]


def top_words(topics: NDArray[np.floating], number: int) -> NDArray[np.int64]:
    """The most probable words of each topic, of which there are ``number`` or, if that is fewer, all.

    Args:
        topics: β, one topic per column, (V, K).
        number: N ≥ 1.

    Returns:
        Indices of words, shape (K, min(N, V)); of equally probable words the first ones.
    """
    return np.argsort(-topics, axis=0, kind="stable")[:number].T


def topic_table(arrays: Arrays) -> Table:
    """The most probable words of the topics with the largest weights."""
    topics, weights, vocabulary = arrays["topics"], arrays["weights"], arrays["vocabulary"]
    words = vocabulary[top_words(topics, TOP_WORDS)]
    shown = np.argsort(-weights, kind="stable")[:TOP_TOPICS]
    rows = [[" ".join(words[topic]), f"{weights[topic]:.3f}"] for topic in shown]
    which = f"{len(shown)} of {len(weights)} topics" if len(shown) < len(weights) else "Topics"
    title = f"{which} by mean weight over the test documents, with their {TOP_WORDS} most probable words; topics.npz has all"
    return Table("topics", title, ["words", "weight"], rows)


def upgraded(record: Record) -> Record:
    """A record of schema 1: the method's label was made of its name and augmentation."""
    augmentation = record["config"]["method"].get("augmentation")
    label = record["method"].replace("_", " ") if augmentation is None else f"RSVI, B = {augmentation}"
    return {"method_label": label, **record}
