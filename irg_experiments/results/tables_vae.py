"""The table of test negative log-likelihoods, beside the paper's."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

from irg_experiments.results.paper import Figure
from irg_experiments.results.tables import Record, spread, without_seed

_DIMS = (2, 5, 10, 20, 40)


def _row(*pairs: tuple[float, float | None]) -> dict[int, Figure]:
    return {dim: Figure(mean, spread or 0.0) for dim, (mean, spread) in zip(_DIMS, pairs, strict=True)}


# test NLL on MNIST of Figurnov et al. (2018): latent -> {D: figure}. From memory, and not checked against the paper
PAPER_NLL: dict[str, dict[int, Figure]] = {
    "normal": _row((131.1, 0.6), (107.9, 0.4), (92.5, 0.2), (88.1, 0.2), (88.1, 0.0)),
    "gamma": _row((132.4, 0.3), (108.0, 0.3), (94.0, 0.3), (90.3, 0.2), (90.6, 0.2)),
    "gamma_10": _row((135.0, 0.2), (107.0, 0.2), (92.3, 0.2), (88.3, 0.2), (88.3, 0.1)),
    "beta": _row((128.3, 0.2), (107.4, 0.2), (94.1, 0.1), (88.9, 0.1), (88.6, 0.1)),
    "beta_10": _row((131.1, 0.4), (106.7, 0.1), (92.1, 0.2), (87.8, 0.1), (87.7, 0.1)),
    "von_mises": _row((127.6, 0.4), (107.5, 0.4), (94.4, 0.5), (90.9, 0.1), (91.5, 0.4)),
    "von_mises_10": _row((130.7, 0.8), (107.5, 0.5), (92.3, 0.2), (87.8, 0.2), (87.9, 0.3)),
    "von_mises_fisher": _row((132.5, 0.7), (108.4, 0.1), (93.2, None), (89.0, 0.3), (90.9, 0.3)),
}

NLL_HEADER = [
    "latent",
    "D",
    "method",
    "data",
    "test NLL",
    "paper (from memory)",
    "−ELBO",
    "KL",
    "active units",
    "k-NN, 1,000 labels",
    "runs",
    "best step",
    "command",
]


def paper_nll(record: Record) -> Figure | None:
    """The paper's figure for the record's latent space, dimension and data set, where its method is the paper's."""
    latent = record["config"]["latent"]
    if record["data"] != "mnist" or record["method"] not in ("implicit", "explicit"):
        return None
    return PAPER_NLL.get(latent["name"], {}).get(latent["dim"])


def nll_rows(records: Iterable[Record]) -> list[list[str]]:
    """One row for each latent space, dimension, method, data set, budget and command: the likelihood over seeds."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        if record["status"] != "failed" and record["experiment"] == "vae" and "test_nll" in record["metrics"]:
            latent = record["config"]["latent"]
            words = (record["data"], latent["name"], f"{latent['dim']:06d}", record["method"], record["budget"])
            groups[*words, without_seed(record["command"])].append(record)
    return [_nll_row(groups[key]) for key in sorted(groups)]


def _nll_row(records: Sequence[Record]) -> list[str]:
    first, latent, command = records[0], records[0]["config"]["latent"], without_seed(records[0]["command"])

    def over_seeds(metric: str) -> list[float]:
        return [record["metrics"][metric] for record in records]

    paper = paper_nll(first)
    knn = (
        f"{statistics.fmean(over_seeds('test_knn_accuracy_1000')):.1%}" if "test_knn_accuracy_1000" in first["metrics"] else "–"
    )
    seeds = ",".join(str(seed) for seed in sorted(record["seed"] for record in records))
    run = command if len(records) == 1 else command.replace("irg-run", "irg-run -m", 1)
    return [
        latent["name"],
        str(latent["dim"]),
        first["method"],
        first["data"],
        spread(over_seeds("test_nll")),
        "–" if paper is None else str(paper) if paper.spread else f"{paper.mean:g}",
        spread(over_seeds("test_negative_elbo")),
        spread(over_seeds("test_kl")),
        f"{statistics.fmean(over_seeds('test_active_units')):g}",
        knn,
        str(len(records)),
        f"{statistics.fmean(over_seeds('best_step')):,.0f}",
        f"`{run} seed={seeds}`",
    ]
