"""The table of test negative log-likelihoods, beside the paper's."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from omegaconf import OmegaConf

from irg_experiments.config import config_directory
from irg_experiments.results.paper import PAPER_NLL, Figure
from irg_experiments.results.tables import Record, spread, without_seed

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
    """The paper's figure for the record's latent space, dimension and data set, where method and options are the paper's."""
    latent = record["config"]["latent"]
    if record["data"] != "mnist" or record["method"] not in ("implicit", "explicit") or not _is_as_configured(latent):
        return None
    return PAPER_NLL.get(latent["name"], {}).get(latent["dim"])


def _is_as_configured(latent: dict[str, Any]) -> bool:
    """Whether the latent space is, but for its dimension, the one that configs/latent describes under its name."""
    path = config_directory() / "latent" / f"{latent['name']}.yaml"
    return path.exists() and _model_options(latent) == _model_options(dict(OmegaConf.load(path)))


def _model_options(latent: dict[str, Any]) -> dict[str, Any]:
    # what is watched during training changes no model
    return {name: value for name, value in latent.items() if name not in ("dim", "compare")}


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
        "–" if paper is None else str(paper),
        spread(over_seeds("test_negative_elbo")),
        spread(over_seeds("test_kl")),
        f"{statistics.fmean(over_seeds('test_active_units')):g}",
        knn,
        str(len(records)),
        f"{statistics.fmean(over_seeds('best_step')):,.0f}",
        f"`{run} seed={seeds}`",
    ]
