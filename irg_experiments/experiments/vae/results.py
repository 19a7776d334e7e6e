"""Test negative log-likelihoods beside the paper's."""

import statistics
from collections.abc import Sequence
from functools import partial

from irg_experiments.experiments.gradient_variance import VARIANCE
from irg_experiments.experiments.protocol import UNTOLD
from irg_experiments.experiments.vae.choices import TUNING, UNNAMED
from irg_experiments.experiments.vae.runs import (
    ELBO,
    PAPER_METHODS,
    changes,
    codes_of,
    has_usual_model,
    has_usual_options,
    is_trained_as_in_the_sweep,
    latent_name,
    objective_of,
    variant,
)
from irg_experiments.results.aggregate import command, notes, numbered, repetitions, spread
from irg_experiments.results.paper import Printed, difference
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

KNN = "test_knn_accuracy_"
# the likelihood from more samples than those of the table's main column
MORE = "test_nll_5000"
# in the headline, after likelihoods of runs with other options than those of ``+sweep=vae_table``
OTHER_CHOICES = " †"
# what runs in the headline may change of the training, with the mark
OTHER_TRAINING = {"training.learning_rate", "data.validation"}
# a share of clipped parameters from which on limits bind
BINDING = 0.01


def _by_dimension(*pairs: tuple[float, float | None]) -> dict[int, Printed]:
    return {dim: Printed(*pair) for dim, pair in zip((2, 5, 10, 20, 40), pairs, strict=True)}


# test NLL on MNIST of Figurnov et al. (2018): latent -> D -> mean and standard deviation. From memory, and not checked
# against the paper; those of von Mises–Fisher codes are probably Davidson et al.'s (2018)
PAPER: dict[str, dict[int, Printed]] = {
    "normal": _by_dimension((131.1, 0.6), (107.9, 0.4), (92.5, 0.2), (88.1, 0.2), (88.1, 0.0)),
    "gamma": _by_dimension((132.4, 0.3), (108.0, 0.3), (94.0, 0.3), (90.3, 0.2), (90.6, 0.2)),
    "gamma_10": _by_dimension((135.0, 0.2), (107.0, 0.2), (92.3, 0.2), (88.3, 0.2), (88.3, 0.1)),
    "beta": _by_dimension((128.3, 0.2), (107.4, 0.2), (94.1, 0.1), (88.9, 0.1), (88.6, 0.1)),
    "beta_10": _by_dimension((131.1, 0.4), (106.7, 0.1), (92.1, 0.2), (87.8, 0.1), (87.7, 0.1)),
    "von_mises": _by_dimension((127.6, 0.4), (107.5, 0.4), (94.4, 0.5), (90.9, 0.1), (91.5, 0.4)),
    "von_mises_10": _by_dimension((130.7, 0.8), (107.5, 0.5), (92.3, 0.2), (87.8, 0.2), (87.9, 0.3)),
    "von_mises_fisher": _by_dimension((132.5, 0.7), (108.4, 0.1), (93.2, None), (89.0, 0.3), (90.9, 0.3)),
}
PAPER_DATA = "mnist"


def paper_nll(record: Record) -> Printed | None:
    """The paper's figure for the record's latent space and dimension, whatever it changes of the training."""
    latent = record["config"]["latent"]
    if record["data"] != PAPER_DATA or not has_usual_options(record):
        return None
    return PAPER.get(latent["name"], {}).get(latent["dim"])


def nll_table(records: Sequence[Record], compared: Sequence[Table] = ()) -> Table:
    """One row per configuration: likelihood over seeds beside the paper's; not of ``budget=tuning`` in tables that compare."""
    elsewhere = {_run(it) for table in compared for runs in table.made_of for it in runs if it["budget"] == TUNING}
    scored = [record for record in records if _run(record) not in elsewhere]
    groups = sorted(repetitions(scored), key=lambda runs: _order(runs[0]))
    header = ["latent", "D", "method", "data", "test NLL", "5,000 samples", "paper (from memory)"]
    header += ["difference (in standard errors)", "−ELBO", "KL", "active units", "k-NN, 1,000 labels", "runs", "best step"]
    header += ["command"]
    rows = [_row(group, note) for group, note in zip(groups, notes(groups, _order, UNTOLD), strict=True)]
    title = "Test negative log-likelihood in nats, mean ± standard error over runs"
    return Table("nll", title, header, rows, labels=4, page_only=("command",), made_of=groups)


def _run(record: Record) -> tuple[str, str, int]:
    """What runs by several commits share."""
    return record["group"], record["budget"], record["seed"]


def headline_table(records: Sequence[Record]) -> Table:
    """One row per latent space, two columns per dimension that was run: likelihood and the paper's.

    Where a latent space was run as ``+sweep=vae_table`` does, and with other choices of what the paper leaves open, the former
    is shown. Without such a run the latter are, with the mark ``OTHER_CHOICES``.
    """
    groups = [
        group
        for group in repetitions(records)
        if group[0]["data"] == PAPER_DATA and group[0]["budget"] == "paper" and group[0]["method_label"] in PAPER_METHODS
        if not variant(group[0]) and changes(group[0]).keys() <= OTHER_TRAINING
    ]
    cells: dict[tuple[str, int], Sequence[Record]] = {}
    for group in sorted(groups, key=lambda runs: (not is_trained_as_in_the_sweep(runs[0]), not has_usual_model(runs[0]))):
        latent = group[0]["config"]["latent"]
        others = {name for name, dim in cells if dim == latent["dim"]}
        if latent_name(latent) in others and has_usual_options(group[0]) and not is_trained_as_in_the_sweep(group[0]):
            continue
        cells[numbered(latent_name(latent), others), latent["dim"]] = group
    names, dims = sorted({name for name, _ in cells}), sorted({dim for _, dim in cells})
    rows = []
    for name in names:
        row = [name]
        for dim in dims:
            found = cells.get((name, dim))
            mark = OTHER_CHOICES if found and not is_trained_as_in_the_sweep(found[0]) else ""
            row += ["–", "–"] if found is None else [_nll(found) + mark, str(paper_nll(found[0]) or "–")]
        rows.append(row)
    header = ["latent", *(title for dim in dims for title in (f"D = {dim}", "paper (from memory)"))]
    return Table("nll_headline", "Test negative log-likelihood in nats", header, rows)


def _nll(records: Sequence[Record]) -> str:
    return _over_seeds(records, "test_nll")


def _order(record: Record) -> tuple[str | int, ...]:
    latent = record["config"]["latent"]
    return record["data"], latent_name(latent), latent["dim"], record["method_label"], variant(record), record["budget"]


def _values(records: Sequence[Record], metric: str) -> list[float | None]:
    return [record["metrics"][metric] for record in records]


def _over_seeds(records: Sequence[Record], metric: str) -> str:
    """Mean ± standard error; a dash where runs do not have the metric."""
    return spread(_values(records, metric), of_the_mean=True) if all(metric in it["metrics"] for it in records) else "–"


def _row(records: Sequence[Record], note: str) -> list[str]:
    first, latent = records[0], records[0]["config"]["latent"]
    values, over_seeds = partial(_values, records), partial(_over_seeds, records)
    labelled = all(f"{KNN}1000" in record["metrics"] for record in records)
    return [
        latent_name(latent),
        str(latent["dim"]),
        first["method_label"] + variant(first) + note,
        first["data"],
        over_seeds("test_nll"),
        over_seeds(MORE),
        str(paper_nll(first) or "–"),
        difference(values("test_nll"), paper_nll(first) if first["budget"] == "paper" else None),
        over_seeds("test_negative_elbo"),
        over_seeds("test_kl"),
        _mean(values("test_active_units"), "g"),
        _mean(values(f"{KNN}1000"), ".1%") if labelled else "–",
        str(len(records)),
        _mean(values("best_step"), ",.0f"),
        f"`{command(records)}`",
    ]


def objectives_table(records: Sequence[Record]) -> Table:
    """One row per configuration that was trained by another objective, or stands beside one that was; empty without any.

    The variance of its gradient is that at the best step, of the runs of the row and of those that were trained by the evidence
    lower bound with as many codes.
    """
    groups = repetitions(records)
    others = {_setting(group[0]) for group in groups if objective_of(group[0]) != ELBO}
    shown = sorted((group for group in groups if _setting(group[0]) in others), key=lambda group: _objective_order(group[0]))
    by_elbo = [group for group in shown if objective_of(group[0]) == ELBO]
    rows = []
    for group, note in zip(shown, notes(shown, _objective_order, UNTOLD), strict=True):
        same = [it for it in by_elbo if _trained_alike(it[0], group[0]) and _measured(it, _variance_metric(group[0]))]
        rows.append(_objective_row(group, note, same[0] if same else ()))
    header = ["latent", "D", "codes", "objective", "method", "data", "test NLL", "−bound", "−ELBO"]
    header += ["gradient variance", "gradient variance, weights by elbo", "runs", "command"]
    title = "Training objectives: nats, mean ± standard error over runs, and the variance of the encoder's gradient"
    return Table("objectives", title, header, rows, labels=6, page_only=("command",), made_of=shown)


def _setting(record: Record) -> tuple[str | int, ...]:
    latent = record["config"]["latent"]
    return record["data"], latent_name(latent), latent["dim"], record["budget"]


def _objective_order(record: Record) -> tuple[str | int, ...]:
    return *_setting(record), codes_of(record), objective_of(record), record["method_label"]


def _trained_alike(first: Record, second: Record) -> bool:
    """Whether runs differ in their objective alone."""
    told = [(_setting(it), codes_of(it), it["method_label"], changes(it), it["config"]["model"]) for it in (first, second)]
    return told[0] == told[1]


def _variance_metric(record: Record) -> str:
    """The metric of the variance of the gradient of a run's objective, in runs by the evidence lower bound."""
    objective = objective_of(record)
    return f"{VARIANCE}{record['method']}" + ("" if objective == ELBO else f"_{objective}")


def _measured(records: Sequence[Record], metric: str) -> bool:
    return bool(records) and all(metric in record["metrics"] for record in records)


def _objective_row(records: Sequence[Record], note: str, by_elbo: Sequence[Record]) -> list[str]:
    first, latent = records[0], records[0]["config"]["latent"]
    bound = "test_negative_bound" if "test_negative_bound" in first["metrics"] else "test_negative_elbo"
    variance = f"{VARIANCE}{first['method']}"
    return [
        latent_name(latent),
        str(latent["dim"]),
        str(codes_of(first)),
        objective_of(first),
        first["method_label"] + note,
        first["data"],
        *(_over_seeds(records, metric) for metric in ("test_nll", bound, "test_negative_elbo")),
        _variance(records, variance),
        _variance(by_elbo, _variance_metric(first)),
        str(len(records)),
        f"`{command(records)}`",
    ]


def _variance(records: Sequence[Record], metric: str) -> str:
    return _mean(_values(records, metric), ".2e") if _measured(records, metric) else "–"


def _mean(values: Sequence[float | None], form: str) -> str:
    finite = [value for value in values if value is not None]
    return f"{statistics.fmean(finite):{form}}" if len(finite) == len(values) else "not finite"


def metrics_table(record: Record) -> Table:
    """All metrics of one run, beside the paper's."""
    m, samples = record["metrics"], record["config"]["evaluation"]["nll_samples"]
    rows = [
        [f"test NLL, {samples} samples, nats", spread([m["test_nll"]], 2), str(paper_nll(record) or "–")],
        *([["test −bound, nats", spread([m["test_negative_bound"]], 2), "–"]] if "test_negative_bound" in m else []),
        ["test −ELBO, nats", spread([m["test_negative_elbo"]], 2), "–"],
        ["  KL", spread([m["test_kl"]], 2), "–"],
        ["  reconstruction", spread([m["test_reconstruction"]], 2), "–"],
        ["active units", str(m["test_active_units"]), "–"],
    ]
    if more := record["config"]["evaluation"].get("nll_samples_more"):
        rows.insert(1, [f"test NLL, {more:,} samples, nats", spread([m[f"test_nll_{more}"]], 2), "–"])
    limits = record["config"]["model"].get("limits") or (None, None)
    for limit, name in zip(limits, ("least", "most"), strict=True):
        if (share := m.get(f"test_clipped_to_{name}") or 0.0) > BINDING:
            rows.append([f"parameters of posteriors clipped to {limit:g}, of model.limits", f"{share:.1%}", "–"])
    for name, value in m.items():
        if name.startswith(KNN):
            rows.append([f"k-NN accuracy, {int(name.removeprefix(KNN)):,} labels", _mean([value], ".1%"), "–"])
    rows.append(["steps, best of", f"{m['best_step']:,} of {m['last_step']:,}", "–"])
    rows.append(["steps per second", f"{record['steps_per_second']:.0f}", "–"])
    latent = record["config"]["latent"]
    method = record["method_label"] + variant(record)
    title = f"VAE, {latent_name(latent)}, D = {latent['dim']}, {method}, {record['data']}, seed {record['seed']}"
    return Table("metrics", title, ["metric", "measured", "paper (from memory)"], rows)


def upgraded(record: Record) -> Record:
    """A record of schema 1, which named the method but had no label of it, and not every option of the model."""
    config = {**record["config"], "model": {**UNNAMED, **record["config"].get("model", {})}}
    label = record["method"].replace("_", " ")
    if "augmentation" in config["method"]:
        # samples of the von Mises distribution have no augmentation
        von_mises = config["latent"]["_target_"].endswith(".VonMisesLatent")
        label = "RSVI" if von_mises else f"RSVI, B = {config['method']['augmentation']}"
    return {"method_label": label, **record, "config": config}
