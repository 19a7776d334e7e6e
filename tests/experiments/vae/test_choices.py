from typing import Any

import pytest

from irg_experiments.config.tree import ConfigTree
from irg_experiments.experiments.vae import VAEExperiment
from irg_experiments.experiments.vae.runs import changes
from irg_experiments.results.table import Table
from tests.experiments.vae.test_results import record

USUAL = {"name": "vae", "limits": [1e-3, 1e3], "parameterization": "natural", "weights": "glorot_normal", "code_scale": 1.0}


def run(seed: int, validation: float | None, dim: int = 2, **options: Any) -> dict[str, Any]:
    made = record(seed=seed, budget="tuning", dim=dim, group=f"{dim}{options}")
    made["config"] |= {"model": {**USUAL, **options}, "data": {"name": "mnist", "validation": 10000}}
    made["config"]["training"] = {"learning_rate": 1e-3}
    made["metrics"] = {**made["metrics"], "validation_negative_elbo": validation, "test_nll": 120.0 + seed}
    return made


def table(*records: dict[str, Any]) -> Table:
    return next(made for made in VAEExperiment.tables(records) if made.name == "choices")


def test_each_row_says_what_the_last_option_changed_on_the_same_seeds():
    wide, precise = {"limits": [1e-3, 1e6]}, {"limits": [1e-3, 1e6], "parameterization": "location_precision"}
    made = table(
        *(run(seed, 140.0 + seed, **precise) for seed in (0, 1)),
        *(run(seed, 142.0 + 0.5 * seed, **wide) for seed in (0, 1)),
        run(0, 143.0),
        run(0, 100.5, dim=10),
    )
    assert [row[:7] for row in made.rows] == [
        ["von_mises", "2", "mnist", "[0.001, 1000.0]", "natural", "glorot_normal", "1.0"],
        ["von_mises", "2", "mnist", "[0.001, 1000000.0]", "natural", "glorot_normal", "1.0"],
        ["von_mises", "2", "mnist", "[0.001, 1000000.0]", "location_precision", "glorot_normal", "1.0"],
    ]
    assert [row[7:] for row in made.rows] == [
        ["143.00", "–", "120.00", "1"],
        ["142.25 ± 0.35", "-1.00", "120.50 ± 0.71", "2"],  # of one seed
        ["140.50 ± 0.71", "-1.75 (-7.0)", "120.50 ± 0.71", "2"],  # −2 and −1.5, with a standard error of 0.25
    ]


def test_of_runs_by_several_commits_the_newest_count():
    new = [run(seed, 100.0 + seed) | {"git_commit": "b" * 40, "started": "2026-02-01T00:00:00+00:00"} for seed in (0, 1)]
    old = run(0, 200.0) | {"git_commit": "a" * 40}
    assert table(*new, old, run(0, 90.0, weights="fan_in")).rows[0][7] == "100.50 ± 0.71"


def test_what_is_not_finite_has_no_change():
    made = table(run(0, 143.0), run(0, None, weights="fan_in"))
    assert made.rows[1][7:9] == ["not finite", "–"]


def test_runs_that_change_other_options_are_results():
    """Their changes would not be those of the options that the table compares."""
    others = [run(0, 100.0) | {"group": group} for group in ("method", "latent space", "images")]
    others[0]["method_label"] = "RSVI"
    others[1]["config"]["latent"]["concentration"] = 3.0
    del others[2]["metrics"]["validation_negative_elbo"]  # without validation images
    made = {made.name: made for made in VAEExperiment.tables([run(0, 143.0), run(0, 142.0, weights="fan_in"), *others])}
    assert [row[7] for row in made["choices"].rows] == ["143.00", "142.00"]
    assert len(made["nll"].rows) == 3


def test_runs_that_choose_options_are_results_unless_another_table_compares_them():
    both, alone = [run(0, 143.0), run(0, 142.0, weights="fan_in"), record()], [run(0, 143.0), record()]
    assert {made.name: len(made.rows) for made in VAEExperiment.tables(both)} == {"nll": 1, "choices": 2}
    assert {made.name: len(made.rows) for made in VAEExperiment.tables(alone)} == {"nll": 2}
    usual = trained(0, 140.0, learning_rate=2e-3)
    assert {made.name: len(made.rows) for made in VAEExperiment.tables([usual])} == {"nll": 1}


def test_runs_that_differ_in_how_they_were_scored_are_one_row():
    """Of limits alike in the upper one alone, there are two rows."""
    fewer = run(1, 141.0) | {"group": "fewer labels"}
    fewer["config"]["evaluation"] = {"nll_samples": 500, "knn_labels": []}
    made = table(run(0, 143.0), fewer, run(0, 142.0, limits=[1e-2, 1e3]))
    assert [(row[3], row[7], row[10]) for row in made.rows] == [
        ("[0.001, 1000.0]", "142.00 ± 1.41", "2"),
        ("[0.01, 1000.0]", "142.00", "1"),
    ]


def trained(seed: int, validation: float | None, budget: str = "tuning", images: int = 10000, **changes: Any) -> dict[str, Any]:
    made = run(seed, validation, **ConfigTree().load("model", "vae"))
    made |= {"budget": budget, "group": f"{budget}{changes}{images}"}
    made["config"]["training"] = {"learning_rate": 1e-3, "batch_size": 64, "log_every": 7, "num_samples": 1, **changes}
    made["config"]["data"]["validation"] = images
    if not images:
        del made["metrics"]["validation_negative_elbo"]
    return made


def test_each_change_of_the_training_is_compared_with_the_runs_without_it():
    made = VAEExperiment.tables(
        [
            *(trained(seed, 140.0 + seed) for seed in (0, 1)),
            *(trained(seed, 139.0 + 0.5 * seed, learning_rate=2e-3) for seed in (0, 1)),
            trained(0, 139.5, batch_size=128),
            trained(0, 137.0, budget="paper"),
            trained(0, 139.0, learning_rate=5e-4),
            run(0, 90.0, dim=10),  # a latent space without a change is not shown
            run(0, 80.0),  # nor is a model with other options
        ]
    )
    table = next(it for it in made if it.name == "training_choices")
    assert [list(row)[:4] for row in table.rows] == [["von_mises", "2", "mnist", "tuning"]] * 4
    assert [list(row)[4:] for row in table.rows] == [
        ["–", "140.50 ± 0.71", "–", "120.50 ± 0.71", "–", "2"],
        ["training.learning_rate=0.0005", "139.00", "-1.00", "120.00", "+0.00", "1"],
        ["training.learning_rate=0.002", "139.25 ± 0.35", "-1.25 (-5.0)", "120.50 ± 0.71", "+0.00", "2"],
        ["training.batch_size=128", "139.50", "-0.50", "120.00", "+0.00", "1"],
    ]
    choices = next(it for it in made if it.name == "choices")
    assert [row[7] for row in choices.rows] == ["80.00", "140.50 ± 0.71"]  # no change of the training is among them
    (results,) = (it for it in made if it.name == "nll")
    assert [row[1] for row in results.rows] == ["2", "10"]  # the one of budget=paper, and the latent space without a change


def test_the_last_of_several_changes_is_compared_by_the_test_images_where_all_others_are_trained_on():
    all_images = trained(0, None, "paper", 0, learning_rate=2e-3)
    all_images["metrics"]["test_nll"] = 119.5
    alone = trained(0, None, "paper", 0, learning_rate=2e-3) | {"group": "alone"}
    alone["config"]["latent"] = {**alone["config"]["latent"], "dim": 5}
    twice = trained(0, None, "paper", 0, learning_rate=2e-3, steps=400000)
    runs = [twice, alone, all_images, trained(0, 137.0, "paper"), trained(0, 136.0, "paper", learning_rate=2e-3)]
    table = VAEExperiment.tables(runs)[-1]
    assert {tuple(row[:4]) for row in table.rows} == {("von_mises", "2", "mnist", "paper")}  # nothing compares with D = 5
    faster = "training.learning_rate=0.002"
    assert [list(row)[4:] for row in table.rows] == [
        ["–", "137.00", "–", "120.00", "–", "1"],
        [faster, "136.00", "-1.00", "120.00", "+0.00", "1"],
        [f"{faster}, data.validation=0", "–", "–", "119.50", "-0.50", "1"],
        [f"{faster}, data.validation=0, training.steps=400000", "–", "–", "120.00", "+0.50", "1"],
    ]


@pytest.mark.parametrize(
    ("section", "option", "changed"),
    [
        ("training", {"learning_rate": 1e-3, "steps": 200000, "batch_size": 64}, {}),
        ("training", {"steps": 100, "learning_rate": 5e-4}, {"training.learning_rate": 5e-4, "training.steps": 100}),
        ("training", {"annealing": "none", "log_every": 1, "num_samples": 5}, {"training.annealing": "none"}),
        ("data", {"name": "mnist", "validation": 0}, {"data.validation": 0}),
        ("data", {"name": "digits"}, {}),
        ("precision", "highest", {}),
        ("precision", "medium", {"precision": "medium"}),
    ],
)
def test_what_a_run_changes_is_read_from_its_config(section: str, option: Any, changed: dict[str, Any]):
    """Whether or not the command names it; ``num_samples`` makes another variant of the objective."""
    made = run(0, 140.0) | {"budget": "paper"}
    made["config"][section] = option
    assert changes(made) == changed
    assert list(changes(made)) == list(changed)
