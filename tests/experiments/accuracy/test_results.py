import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from irg_experiments.experiments.accuracy import AccuracyExperiment, figures, results
from irg_experiments.results.collect import load_record
from irg_experiments.results.record import Record
from irg_experiments.results.table import markdown

# the files of a run as version 0.1 of the package left them
EARLIER = Path(__file__).parent / "schema_1"


def numbers(scale: float, nanoseconds: float) -> dict[str, float]:
    kinds = {f"{points}_{kind}": scale for points in ("paper", "wide") for kind in ("mean", "median", "worst")}
    return {"nanoseconds": nanoseconds, **kinds}


def record(seed: int = 0, time: float = 10.0, **changes: Any) -> Record:
    both = {dtype: numbers(1e-6, 100.0) for dtype in results.DTYPES}
    method = {dtype: numbers(1e-8, time) for dtype in results.DTYPES}
    fields = {
        "experiment": "accuracy",
        "group": "a",
        "seed": seed,
        "budget": "smoke",
        "started": "2026-01-01T00:00:00+00:00",
        "git_commit": "a" * 40,
        "command": f"irg-run experiment=accuracy seed={seed}",
        "metrics": {"Gamma": {results.BASELINE: both, "implicit": method}},
    }
    return {**fields, **changes}


def test_multiples_are_of_automatic_differentiation():
    table = results.multiples_table([record()])
    assert [list(row) for row in table.rows] == [
        ["Gamma", "automatic differentiation", "1.00×", "1.00×", "1×", "1.00×", "1.00×", "1×"],
        ["Gamma", "implicit", "0.0100×", "0.0100×", "–", "0.100×", "0.100×", "–"],
    ]


def test_the_headline_has_a_dash_where_a_library_has_no_derivative():
    one = record()
    one["metrics"]["Beta"] = {"JAX": {dtype: numbers(2e-9, 30.0) for dtype in results.DTYPES}}
    table = results.headline_table([one])
    assert list(table.header) == ["dz/dφ by", "dtype", "Gamma: error", "Beta: error", "Gamma: ns", "Beta: ns"]
    assert [list(row) for row in table.rows] == [
        ["implicit", "float64", "1.0e-08", "–", "10.0", "–"],
        ["implicit", "float32", "1.0e-08", "–", "10.0", "–"],
        ["JAX", "float64", "–", "2.0e-09", "–", "30.0"],
        ["JAX", "float32", "–", "2.0e-09", "–", "30.0"],
    ]


def test_repetitions_have_the_median_time():
    table = results.absolute_table([record(seed, time) for seed, time in enumerate((10.0, 30.0, 11.0))])
    assert list(table.rows[-1]) == ["Gamma", "implicit", "float64", *[*["1.0e-08"] * 3, "–"] * 2, "11.0", "3"]
    assert table.header[-1] == "runs"


def test_a_number_that_is_not_finite_is_told_so():
    one = record()
    one["metrics"]["Gamma"]["implicit"]["float32"]["paper_mean"] = None
    assert results.multiples_table([one]).rows[1][2] == "not finite"
    assert results.absolute_table([one]).rows[2][3] == "not finite"


def test_the_share_of_results_that_are_not_finite_is_beside_the_errors():
    one = record()
    one["metrics"]["Gamma"]["implicit"]["float32"] |= {"paper_not_finite": 0.0, "wide_not_finite": 0.125}
    assert [results.absolute_table([one]).rows[2][column] for column in (6, 10)] == ["0", "12.5%"]


def test_a_library_that_only_some_machines_have(tmp_path: Path):
    other = record(1)
    del other["metrics"]["Gamma"]["implicit"]
    assert len(results.multiples_table([record(), other]).rows) == 2


def test_a_record_of_schema_1_becomes_one_of_today():
    today = load_record(EARLIER)
    assert today is not None
    AccuracyExperiment.Config.model_validate(today["config"])
    assert today["method"] is None
    first, second = AccuracyExperiment.summary(EARLIER, today)
    assert "| Gamma | finite difference | 69.6× | 10500× | 832× | 0.128× | 0.480× | 2× |" in markdown(first)
    row = "| Gamma | implicit | float64 | 1.3e-14 | 4.7e-15 | 5.1e-14 | – | 1.1e-14 | 2.1e-15 | 7.8e-14 | – | 19.2 |"
    assert row in markdown(second)
    assert list(AccuracyExperiment.figures(EARLIER, today)) == []


def test_figures_are_drawn_from_the_file(tmp_path: Path):
    curves = {"shape": [0.1, 1.0], "error": [0.0, 1e-8], "nanoseconds": [5.0, None]}
    by_shape = {
        dtype: {"Gamma": {"implicit": curves}, "Beta": {"implicit": curves, "other": curves}} for dtype in results.DTYPES
    }
    (tmp_path / results.BY_SHAPE).write_text(json.dumps(by_shape))
    pictures = list(AccuracyExperiment.figures(tmp_path, record()))
    assert [it.name for it in pictures] == ["error_float32", "time_float32", "error_float64", "time_float64"]
    for picture in pictures:
        picture.draw(tmp_path / picture.name)


@pytest.mark.parametrize("distributions", [1, 4])
def test_the_legend_covers_no_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distributions: int):
    numbers = {"shape": [0.1, 1.0, 10.0], "error": [1e-8, 1e-2, 1e-8]}
    methods = {f"a method with a long name, {number}": numbers for number in range(9)}
    panels = {f"distribution {number}": methods for number in range(distributions)}
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    figures.curves(tmp_path / "error.png", panels, "error", "error")
    (figure,) = drawn
    figure.canvas.draw()
    (legend,) = figure.legends
    assert not any(axes.legend_ for axes in figure.axes)
    for axes in figure.axes:
        assert not legend.get_window_extent().overlaps(axes.get_tightbbox())
        assert axes.get_window_extent().height > 150
    plt.close(figure)
