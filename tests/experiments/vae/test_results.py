import shutil
from pathlib import Path
from typing import Any

from irg_experiments.config.tree import ConfigTree
from irg_experiments.experiments.vae import VAEExperiment
from irg_experiments.experiments.vae.results import metrics_table, paper_nll, upgraded
from irg_experiments.results.collect import collect
from irg_experiments.results.paper import Printed
from irg_experiments.results.table import Table

# of the committed file
LEARNING_RATE = ConfigTree().load("experiment", "vae")["training"]["learning_rate"]


def record(**changes: Any) -> dict[str, Any]:
    metrics = {"test_nll": 130.0, "test_negative_elbo": 133.0, "test_kl": 6.0, "test_reconstruction": 127.0}
    metrics |= {"test_active_units": 2, "test_knn_accuracy_1000": 0.75, "best_step": 1000, "last_step": 1200}
    name, dim = changes.pop("latent", "von_mises"), changes.pop("dim", 2)
    latent = {**ConfigTree().load("latent", name), "dim": dim, **changes.pop("options", {})}
    values: dict[str, Any] = {
        "method_label": "implicit",
        "method": "implicit",
        "data": "mnist",
        "budget": "paper",
        "seed": 0,
        "started": "2026-01-01T00:00:00+00:00",
        "group": f"{latent['name']}-{dim}",
        "steps_per_second": 100.0,
        "command": "irg-run experiment=vae latent=von_mises seed=0",
        "metrics": metrics,
        "config": {
            "latent": latent,
            "model": {"name": "vae"},
            "data": {"name": "mnist", "root": "anywhere", "validation": 0},
            "evaluation": {"nll_samples": 500},
            "training": {"learning_rate": LEARNING_RATE},
        },
    }
    return {**values, **changes}


def table(*records: dict[str, Any]) -> Table:
    return next(made for made in VAEExperiment.tables(records) if made.name == "nll")


def cells(*records: dict[str, Any]) -> dict[str, str]:
    made = table(*records)
    (row,) = made.rows
    return dict(zip(made.header, row, strict=True))


def test_rows_hold_the_mean_over_seeds_beside_the_paper():
    second = record(seed=1, command="irg-run experiment=vae latent=von_mises seed=1")
    second["metrics"] = {**second["metrics"], "test_nll": 131.0, "test_active_units": 1}
    row = cells(second, record())
    assert row["test NLL"] == "130.5 ± 0.5"  # the standard deviation is 0.7
    assert row["paper (from memory)"] == "127.6 ± 0.4"
    # 130.5 - 127.6, and that over sqrt(0.5 / 2 + 0.4^2)
    assert row["difference (in standard errors)"] == "+2.9 (+4.5)"
    assert row["5,000 samples"] == "–"
    assert row["active units"] == "1.5"
    assert row["k-NN, 1,000 labels"] == "75.0%"
    assert row["command"] == "`irg-run -m experiment=vae latent=von_mises seed=0,1`"


def test_more_samples_and_limits_that_bind_are_shown_where_they_are_recorded():
    found = record()
    found["metrics"] |= {"test_nll_5000": 129.6, "test_clipped_to_least": 0.25, "test_clipped_to_most": 0.009}
    found["config"]["model"] = {"name": "vae", "limits": [1e-3, 1e6]}
    found["config"]["evaluation"]["nll_samples_more"] = 5000
    assert cells(found)["5,000 samples"] == "129.6"
    shown = {row[0]: row[1] for row in metrics_table(found).rows}
    assert shown["test NLL, 5,000 samples, nats"] == "129.60"
    assert shown["parameters of posteriors clipped to 0.001, of model.limits"] == "25.0%"
    found["metrics"] |= {"test_clipped_to_least": 0.009, "test_clipped_to_most": 0.02}
    (row,) = (row for row in metrics_table(found).rows if "limits" in row[0])
    assert row[:2] == ["parameters of posteriors clipped to 1e+06, of model.limits", "2.0%"]


def test_options_that_the_paper_leaves_open_are_told_apart():
    other = record(group="other")
    other["config"]["model"] = {"name": "vae", "weights": "fan_in"}
    usual = record()
    usual["config"]["model"] = {"name": "vae", "weights": "glorot_normal"}
    rows = table(usual, other).rows
    assert {row[2] for row in rows} == {"implicit (model.weights=fan_in)", "implicit (model.weights=glorot_normal)"}
    assert {row[6] for row in rows} == {"127.6 ± 0.4"}


def test_metrics_that_are_not_finite_are_named():
    null = record(seed=1)
    null["metrics"] = {**null["metrics"], "test_nll": None, "test_kl": None}
    row = cells(null, record())
    assert (row["test NLL"], row["KL"], row["−ELBO"]) == ("not finite", "not finite", "133.0 ± 0.0")
    assert metrics_table(null).rows[0][1] == "not finite"


def test_images_without_labels_have_no_accuracy():
    unlabelled = record(data="binarized_mnist")
    del unlabelled["metrics"]["test_knn_accuracy_1000"]
    assert cells(unlabelled)["k-NN, 1,000 labels"] == "–"
    assert not any("k-NN" in row[0] for row in metrics_table(unlabelled).rows)


def test_dimensions_are_in_the_order_of_their_size():
    rows = table(record(dim=10), record(dim=3, latent="normal"), record(dim=2)).rows
    assert [row[:2] for row in rows] == [["normal", "3"], ["von_mises", "2"], ["von_mises", "10"]]
    assert rows[0][6] == "–"


def test_the_paper_is_quoted_for_its_own_setting_alone():
    assert paper_nll(record()) is not None
    assert paper_nll(record(method_label="explicit")) is not None
    assert paper_nll(record(data="digits")) is None
    assert paper_nll(record(method_label="RSVI")) is None
    assert paper_nll(record(latent="dirichlet")) is None
    assert paper_nll(record(options={"recommended": {"compare": []}})) is not None
    assert paper_nll(record(options={"concentration": 10.0})) is None
    assert paper_nll(record(options={"name": "mine"})) is None


def test_a_spread_of_nought_is_printed_and_an_unknown_one_is_not():
    rows = table(record(latent="normal", dim=40), record(latent="von_mises_fisher", dim=10)).rows
    assert [row[6] for row in rows] == ["88.1 ± 0.0", "93.2"]
    assert str(Printed(876, 7)) == "876 ± 7"


def test_records_of_schema_1_are_rows_of_the_table(tmp_path: Path):
    shutil.copy(Path(__file__).with_name("record_of_schema_1.json"), tmp_path / "record.json")
    ((_, old),) = collect([tmp_path])
    (row,) = table(old).rows
    # as published before
    command = "`irg-run experiment=vae latent=beta_10 latent.dim=10 data=mnist budget=paper seed=0`"
    scores = ["94.3", "–", "92.1 ± 0.2", "+2.2", "98.9", "19.3", "10", "90.3%"]
    assert row == ["beta_10", "10", "implicit", "mnist", *scores, "1", "190,000", command]


def test_methods_of_schema_1_get_labels():
    method = {"name": "rsvi", "augmentation": 5}
    old = {"method": "rsvi", "config": {"method": method, "latent": {"_target_": "irg_experiments.models.latents.GammaLatent"}}}
    assert upgraded(old)["method_label"] == "RSVI, B = 5"
    old["config"]["latent"]["_target_"] = "irg_experiments.models.latents.VonMisesLatent"
    assert upgraded(old)["method_label"] == "RSVI"
    assert upgraded({**old, "method": "score_function", "config": {"method": {}}})["method_label"] == "score function"


def trained_by(objective: str, codes: int, **changes: Any) -> dict[str, Any]:
    made = record(group=f"{objective}-{codes}", **changes)
    made["config"] |= {"objective": {"name": objective}, "training": {"num_samples": codes}}
    made["metrics"] = {**made["metrics"], "gradient_variance_implicit": 2.5e-5, "gradient_variance_rsvi": 1.0}
    return made


def test_objectives_stand_beside_the_evidence_lower_bound_of_the_same_setting():
    importance_weighted = trained_by("iwae", 5)
    importance_weighted["metrics"]["test_negative_bound"] = 131.25
    by_elbo = trained_by("elbo", 5)
    by_elbo["metrics"]["gradient_variance_implicit_iwae"] = 3.5e-5
    tuned = trained_by("stl", 5, budget="tuning")  # compared with others of its budget, and no result
    slower = trained_by("elbo", 5) | {"group": "slower"}
    slower["config"]["training"] = {"num_samples": 5, "learning_rate": 1e-5}
    slower["metrics"] = {**slower["metrics"], "gradient_variance_implicit": 9.0, "gradient_variance_implicit_iwae": 9.0}
    others = [record(dim=10), record(latent="normal"), tuned, slower]
    nll, objectives = VAEExperiment.tables([*others, record(), importance_weighted, by_elbo])
    rows = [dict(zip(objectives.header, row, strict=True)) for row in objectives.rows]
    columns = ("objective", "codes", "−bound", "gradient variance", "gradient variance, weights by elbo")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("elbo", "1", "133.0", "–", "–"),
        ("elbo", "5", "133.0", "9.00e+00", "9.00e+00"),
        ("elbo", "5", "133.0", "2.50e-05", "2.50e-05"),
        ("iwae", "5", "131.2", "2.50e-05", "3.50e-05"),
        ("stl", "5", "133.0", "2.50e-05", "–"),
    ]
    methods = [row[2] for row in nll.rows if row[:2] == ["von_mises", "2"]]
    assert [method.partition(" (")[0] for method in methods] == [
        "implicit",
        *["implicit, 5 codes"] * 2,
        "implicit, iwae, 5 codes",
    ]
    shown = {row[0]: row[1] for row in metrics_table(importance_weighted).rows}
    assert shown["test −bound, nats"] == "131.25"


def test_the_paper_is_quoted_for_its_own_objective_alone():
    assert paper_nll(trained_by("elbo", 1)) is not None
    for objective, codes in (("stl", 1), ("elbo", 5), ("iwae", 5)):
        assert paper_nll(trained_by(objective, codes)) is None
        assert VAEExperiment.excerpts([trained_by(objective, codes)])[0].rows == []


def test_a_product_is_called_by_its_parts():
    parts = [{"name": "von_mises", "dim": 1}, {"name": "normal", "dim": 3}]
    made = record(latent="product", dim=4, options={"parts": parts})
    assert cells(made)["latent"] == "product (von_mises:1, normal:3)"
    assert cells(record(options={"parts": None}))["latent"] == "von_mises"


def test_the_headline_has_the_paper_budget_on_mnist_alone():
    others = [record(dim=5, budget="short"), record(dim=5, data="digits"), record(dim=5, method_label="RSVI")]
    (made,) = VAEExperiment.excerpts([record(), record(latent="normal", dim=10), *others])
    assert made.header == ["latent", "D = 2", "paper (from memory)", "D = 10", "paper (from memory)"]
    assert made.rows == [["normal", "–", "–", "130.0", "92.5 ± 0.2"], ["von_mises", "130.0", "127.6 ± 0.4", "–", "–"]]


def test_the_headline_has_no_run_with_options_of_training():
    for changed in ({"training": {"steps": 400000}}, {"precision": "medium"}):
        other = record(group="other")
        other["config"] |= changed
        assert VAEExperiment.excerpts([other])[0].rows == []


def test_the_headline_marks_what_has_other_choices_than_the_sweep():
    usual, other = ConfigTree().load("model", "vae"), record(group="other", latent="normal")
    other["config"]["model"] = {**usual, "weights": "glorot_normal"}
    other["metrics"]["test_nll"] = 131.0
    assert VAEExperiment.excerpts([other])[0].rows == [["normal", "131.0 †", "131.1 ± 0.6"]]
    for images in (ConfigTree().load("data", "mnist"), {"name": "mnist", "root": "anywhere"}):  # of schema 2, and of schema 1
        fewer = record(group="fewer images", latent="normal")
        fewer["config"] |= {"model": usual, "data": images}
        assert VAEExperiment.excerpts([fewer])[0].rows == [["normal", "130.0 †", "131.1 ± 0.6"]]
    new = record(latent="normal", started="2025-01-01T00:00:00+00:00")
    new["config"] |= {"model": usual, "data": {**ConfigTree().load("data", "mnist"), "validation": 0}}
    assert VAEExperiment.excerpts([other, new])[0].rows == [["normal", "130.0", "131.1 ± 0.6"]]
