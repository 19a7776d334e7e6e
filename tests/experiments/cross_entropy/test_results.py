import json
import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from irg_experiments.experiments.cross_entropy import CrossEntropyExperiment, results
from irg_experiments.experiments.cross_entropy.figures import panel, variance_sweeps
from irg_experiments.results.collect import load_record
from irg_experiments.results.record import Record
from irg_experiments.results.table import markdown

# the files of a run as version 0.1 of the package left them
EARLIER = Path(__file__).parent / "schema_1"
VALUES = {
    "variance": 2.0,
    "bias_z": 0.5,
    "bias_z_worst": 1.5,
    "microseconds": 3.0,
    "ratio": 4.0,
    "least_ratio": 1.0,
    "most_ratio": 8.0,
}


def record(seed: int = 0, group: str = "a", budget: str = "smoke", label: str = "RSVI", **changes: Any) -> Record:
    return {
        "experiment": "cross_entropy",
        "group": group,
        "seed": seed,
        "budget": budget,
        "started": "2026-01-01T00:00:00+00:00",
        "git_commit": "a" * 40,
        "command": f"irg-run experiment=cross_entropy seed={seed}",
        "metrics": {"Dirichlet": {label: {**VALUES, **changes}}},
    }


def rows(*records: Record) -> list[list[str]]:
    return [list(row) for row in results.variance_table(records).rows]


def test_rows_are_in_the_order_of_the_variance():
    one = record()
    one["metrics"] = {
        "von Mises": {"b": VALUES},
        "Dirichlet": {"c": VALUES, "null": {**VALUES, "variance": None}, "a": {**VALUES, "variance": 1e-9}},
    }
    assert [row[:3] for row in rows(one)] == [
        ["Dirichlet", "a", "1.0e-09"],
        ["Dirichlet", "c", "2.00"],
        ["Dirichlet", "null", "not finite"],
        ["von Mises", "b", "2.00"],
    ]
    assert rows(one)[2][-1] == "not finite"


def test_repetitions_are_put_together():
    (row,) = rows(record(0), record(1, variance=8.0, most_ratio=9.0, bias_z=1.5, bias_z_worst=2.0, microseconds=5.0))
    assert row == ["Dirichlet", "RSVI", "4.00", "4.00", "1.00", "9.00", "+1.4", "2.0", "4.00", "16.0", "2"]
    (row,) = rows(record(0), record(1, variance=None))
    assert row[2] == "not finite"


def test_a_method_alone_has_no_ratios():
    alone = record()
    alone["metrics"]["Dirichlet"]["RSVI"] = {name: it for name, it in VALUES.items() if "ratio" not in name}
    assert rows(alone) == [["Dirichlet", "RSVI", "2.00", "–", "–", "–", "+0.5", "1.5", "3.00", "6.00"]]


def test_the_headline_has_a_column_for_what_was_subtracted():
    one = record(label="RSVI, B = 1")
    found = one["metrics"]["Dirichlet"]
    found["implicit"] = {**VALUES, "ratio": 1.0, "least_ratio": 1.0, "most_ratio": 1.0}
    table = results.headline_table([one])
    assert table.header == ["distribution", "method", "f as it is"]
    found["RSVI, B = 1, f centred"] = {**VALUES, "ratio": 1.1, "least_ratio": 0.9, "most_ratio": 1.3}
    table = results.headline_table([one])
    assert table.header == ["distribution", "method", "f as it is", "f centred"]
    assert [list(row) for row in table.rows] == [
        ["Dirichlet", "implicit", "1.00×", "–"],
        ["Dirichlet", "RSVI, B = 1", "4.00× (1.00× to 8.00×)", "1.10× (0.900× to 1.30×)"],
    ]


def test_panels_of_von_mises_are_tables_of_their_own():
    one = {**record(), "config": {"measurement": {"blocks": 2}, "von_mises": {"replicates": 20}}}
    one["metrics"] = {f"von Mises, κp = {it}": {"implicit": VALUES} for it in (1, 10)}
    titles = [table.title for table in results.tables_by_distribution(one)]
    words = "20 one-sample gradients of the cross-entropy per point"
    assert titles == [f"von Mises, κp = {it}, {words}" for it in (1, 10)]


def test_budgets_are_told_apart_where_they_differ():
    table = results.variance_table([record(group=budget, budget=budget) for budget in ("smoke", "paper")])
    assert table.header[:2] == ["budget", "distribution"]
    assert [row[:3] for row in table.rows] == [["paper", "Dirichlet", "RSVI"], ["smoke", "Dirichlet", "RSVI"]]
    assert "budget" not in results.variance_table([record()]).header


def test_configurations_are_told_apart_by_their_commands():
    table = results.variance_table([record(group="a"), record(group="b", label="implicit", variance=1.0)])
    assert table.header[-1] == "command"
    assert [row[1] for row in table.rows] == ["implicit", "RSVI"]
    assert table.rows[0][-1] == "`irg-run experiment=cross_entropy seed=0`"


def test_a_record_of_schema_1_becomes_one_of_today():
    today = load_record(EARLIER)
    assert today is not None
    CrossEntropyExperiment.Config.model_validate(today["config"])
    assert (today["method"], today["method_label"], len(today["config"]["methods"])) == (None, None, 13)
    table = results.variance_table([today])
    assert len(table.rows) == 17
    assert "| Dirichlet | RSVI, B = 5 | 0.617 | 2.83 | 1.10 | 10.0 | +1.8 | 3.3 | 23.8 | 14.7 |" in markdown(table)
    assert "| von Mises | RSVI | 0.0955 | 1.43 | 0.515 | 4.49 | +1.2 | 2.4 | 0.142 | 0.0136 |" in markdown(table)
    assert [row[1] for row in table.rows if row[0] == "von Mises"] == [
        "measure-valued",
        "implicit",
        "finite difference",
        "RSVI",
        "score function",
    ]
    first, second = CrossEntropyExperiment.summary(EARLIER, today)
    assert first.title.startswith("Dirichlet, 1,000 one-sample gradients")
    assert second.title.startswith("von Mises, 20,000 one-sample gradients")


@pytest.mark.parametrize(
    ("method", "label"),
    [
        ({"name": "rsvi", "augmentation": 3, "correction": False}, "RSVI, B = 3, no correction"),
        ({"name": "rsvi", "augmentation": 3, "correction": True}, "RSVI, B = 3"),
    ],
)
def test_a_method_alone_of_schema_1(tmp_path: Path, method: dict[str, Any], label: str):
    earlier = json.loads((EARLIER / "record.json").read_text())
    earlier["config"]["method"], earlier["method"] = method, "rsvi"
    earlier["metrics"] = {"Dirichlet": {"rsvi B=3": VALUES}}
    (tmp_path / "record.json").write_text(json.dumps(earlier))
    today = load_record(tmp_path)
    assert today is not None
    assert today["metrics"] == {"Dirichlet": {label: VALUES}}
    assert (today["method"], today["method_label"]) == ("rsvi", label)


def test_curves_of_schema_1_have_the_labels_of_its_record(tmp_path: Path):
    today = load_record(EARLIER)
    assert today is not None
    curves = results.read_curves(EARLIER)
    assert [(it["distribution"], it["method"]) for it in curves] == [
        (name, label) for name, methods in today["metrics"].items() for label in methods
    ]
    assert not any(it["reference"] for it in curves)
    (figure,) = CrossEntropyExperiment.figures(EARLIER, today)
    assert figure.name == "variance"
    figure.draw(tmp_path / "variance.png")
    assert (tmp_path / "variance.png").stat().st_size > 10_000


def test_a_curve_that_is_not_finite_leaves_a_gap_in_the_figure(tmp_path: Path):
    curve = {
        "distribution": "Dirichlet",
        "method": "a",
        "reference": False,
        "subtracted": "nothing",
        "parameter": [1.0, 2.0, 3.0],
    }
    curves = [{**curve, "variance": [1.0, None, 2.0]}, {**curve, "method": "b", "variance": [None, math.nan, None]}]
    assert variance_sweeps(tmp_path / "variance.png", curves).exists()


def test_lines_of_a_method_share_their_colour():
    axes = plt.figure().add_subplot()
    curve = {
        "distribution": "von Mises, κp = 1",
        "method": "a",
        "reference": False,
        "parameter": [1.0, 2.0],
        "variance": [1.0, 2.0],
    }
    variants = [{**curve, "subtracted": it} for it in results.VARIANTS]
    panel(axes, "von Mises, κp = 1", variants, ["a"])
    lines = [line for line in axes.get_lines() if len(line.get_xdata())]
    assert [line.get_linestyle() for line in lines] == ["-", ":", "--"]
    assert len({line.get_color() for line in lines}) == 1
    assert axes.get_legend_handles_labels()[1] == ["a", "f centred", "best constant"]
    plt.close("all")


def test_damaged_curves_cost_the_figure_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    from irg_experiments.results.drawing import draw

    (tmp_path / results.CURVES).write_text("[{")
    assert draw(tmp_path, CrossEntropyExperiment.figures(tmp_path, record())) == []
    assert "could not be drawn" in caplog.text
