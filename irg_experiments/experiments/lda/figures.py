"""Learning curve, topic weights, and topics as images where the words are pixels."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from irg_experiments.experiments.gradient_variance import VARIANCE_TITLE, variance_names
from irg_experiments.experiments.lda.results import NEAR_ZERO, QUANTILES, groups_of, label_of, notes_of, paper_perplexity
from irg_experiments.results.aggregate import numbered
from irg_experiments.results.arrays import Arrays
from irg_experiments.results.curves import Curve, Rows, mean_curve
from irg_experiments.results.drawing import Figure
from irg_experiments.results.figures import compared_curves, learning_curve, metrics_over_steps, save
from irg_experiments.results.record import Record
from irg_experiments.training.metrics_log import read_rows

Array = NDArray[np.floating]

LEARNING = "test_perplexity"

# at the bottom of the figure of document weights
LEAST_WEIGHT = 1e-6


def figures(directory: Path, record: Record, arrays: Arrays) -> Iterator[Figure]:
    """The pictures of a run, from its metrics over time and its topics."""
    rows = read_rows(directory)
    paper, best = paper_perplexity(record), record["metrics"].get("true_model_perplexity")
    reference = ("paper", paper.mean) if paper else ("true model", best) if best else None
    if _has_curve(rows):
        yield Figure("learning_curve", partial(learning_curve, rows=rows, metric=LEARNING, reference=reference))
    if arrays:
        sparsity = record["metrics"].get("topic_weight_sparsity") or 0.0
        yield Figure("topic_weights", partial(topic_weights, mean_weights=arrays["weights"], share_near_zero=sparsity))
    if "weight_quantiles" in arrays:
        yield Figure("document_weights", partial(document_weights, quantiles=arrays["weight_quantiles"]))
    names = variance_names(rows, arrays)
    if names:
        yield Figure("gradient_variance", partial(metrics_over_steps, rows=rows, names=names, ylabel=VARIANCE_TITLE))
    if "image_side" in arrays:
        true = arrays["true_topics"]
        pictures = {"true": true, "learned": match_topics(arrays["topics"], true)}
        yield Figure("topics", partial(topic_images, rows=pictures, side=int(arrays["image_side"])))


def comparisons(runs: Sequence[tuple[Path, Record]]) -> Iterator[Figure]:
    """The learning curves of all configurations of a data set and budget, where there are several."""
    rows = {id(record): read_rows(directory) for directory, record in runs}
    tasks: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for _, record in runs:
        if _has_curve(rows[id(record)]):
            tasks[record["data"], record["budget"]].append(record)
    for (data, budget), records in sorted(tasks.items()):
        curves: dict[str, Curve] = {}
        groups = groups_of(records)
        for group, note in zip(groups, notes_of(groups), strict=True):
            name = numbered(f"{group[0]['model']}, {label_of(group[0])}{note}", curves)
            curves[name] = mean_curve([(record, rows[id(record)]) for record in group], LEARNING)
        if len(curves) > 1:
            ylabel = f"test perplexity, {data}"
            yield Figure(f"{data}_{budget}_learning_curves", partial(compared_curves, curves=curves, ylabel=ylabel))


def _has_curve(rows: Rows) -> bool:
    return any(LEARNING in row for row in rows)


def topic_weights(path: Path, mean_weights: Array, share_near_zero: float) -> Path:
    """The mean weight of each topic over the documents, largest first."""
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.bar(np.arange(1, len(mean_weights) + 1), np.sort(mean_weights)[::-1])
    axes.set(xlabel="topic, by weight", ylabel="mean weight over test documents")
    axes.set_title(f"{share_near_zero:.0%} of the document weights are below {NEAR_ZERO:g}")
    return save(figure, path)


def document_weights(path: Path, quantiles: Array) -> Path:
    """The largest topic weight of a document, the second largest and so on: quantiles over documents, (3, K), log scale."""
    low, middle, high = quantiles
    ranks = np.arange(1, len(middle) + 1)
    figure, axes = plt.subplots(figsize=(6, 3.5))
    share = QUANTILES[2] - QUANTILES[0]
    axes.fill_between(ranks, low, high, alpha=0.3, linewidth=0, label=f"{share:.0%} of the documents")
    axes.plot(ranks, middle, marker=".", label="median")
    axes.axhline(NEAR_ZERO, color="gray", linestyle="--", label=f"{NEAR_ZERO:g}")
    axes.set(xlabel="topic, by weight in the document", ylabel="weight", yscale="log", ylim=(LEAST_WEIGHT, 1))
    axes.legend(loc="lower left")
    return save(figure, path)


def topic_images(path: Path, rows: dict[str, Array], side: int) -> Path:
    """Topics over a square vocabulary as images: one row of pictures for each entry of ``rows``, of shape (side², K)."""
    number = max(topics.shape[1] for topics in rows.values())
    figure, axes = plt.subplots(len(rows), number, figsize=(number * 0.8, len(rows) * 1.0), squeeze=False)
    for row, (label, topics) in zip(axes, rows.items(), strict=True):
        for axis, topic in zip(row, topics.T, strict=False):
            axis.imshow(topic.reshape(side, side), cmap="gray_r", vmin=0)
        for axis in row:
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(label)
    return save(figure, path)


def match_topics(learned: Array, true: Array) -> Array:
    """The learned topics in the order of the true ones they are nearest to, by total variation; the others follow."""
    distance = np.abs(learned[:, :, None] - true[:, None, :]).sum(0) / 2
    rows, columns = linear_sum_assignment(distance)
    matched = [int(row) for _, row in sorted(zip(columns, rows, strict=True))]
    others = [topic for topic in range(learned.shape[1]) if topic not in matched]
    return learned[:, matched + others]
