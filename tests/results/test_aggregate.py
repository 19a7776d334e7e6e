from typing import Any

import pytest

from irg_experiments.results.aggregate import (
    apart_by_code,
    by_number,
    code_notes,
    command,
    notes,
    numbered,
    repetitions,
    spread,
)


def record(seed: int, group: str = "g", commit: str = "a" * 40, started: str = "2026-01-01", **changes: Any) -> dict[str, Any]:
    fields = {"seed": seed, "group": group, "git_commit": commit, "started": started, "command": f"irg-run data=x seed={seed}"}
    return {"budget": "paper", "config": {}, **fields, **changes}


def test_seeds_of_one_configuration_are_one_group():
    groups = repetitions([record(1), record(0), record(2, group="h")])
    assert [[it["seed"] for it in group] for group in groups] == [[0, 1], [2]]


def test_the_same_run_counts_once():
    (group,) = repetitions([record(0), record(0, started="2026-01-02"), record(1)])
    assert [it["started"] for it in group] == ["2026-01-02", "2026-01-01"]


def test_one_seed_by_two_versions_of_the_code_is_told_apart():
    newer = record(0, commit="b" * 40, started="2026-02-01")
    groups = repetitions([record(0), record(1), newer])
    assert [[it["git_commit"][0] for it in group] for group in groups] == [["b", "a"], ["a"]]
    assert code_notes(groups) == [" (commit bbbbbbb, commit aaaaaaa)", " (commit aaaaaaa)"]
    assert code_notes(groups[:1]) == [""]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"budget": "short"}, [" (budget=paper)", " (budget=short)"]),
        ({"config": {"data": {"note": "a part of it"}}}, ["", " (a part of it)"]),
        ({"sources": {"mine.Method": "0123"}}, ["", " (mine.Method 0123)"]),
    ],
)
def test_budgets_data_and_classes_that_differ_are_never_averaged_and_told(changes: dict[str, Any], told: list[str]):
    groups = repetitions([record(0), record(1), record(2, **changes)])
    assert [[it["seed"] for it in group] for group in groups] == [[0, 1], [2]]
    assert code_notes(groups) == told


def test_code_is_told_apart_on_request():
    records = [record(0), record(1, commit="b" * 40), record(2)]
    assert [[it["seed"] for it in group] for group in repetitions(records)] == [[0, 1, 2]]
    groups = repetitions(map(apart_by_code, records))
    assert [[it["seed"] for it in group] for group in groups] == [[0, 2], [1]]
    assert code_notes(groups) == [" (commit aaaaaaa)", " (commit bbbbbbb)"]


def test_options_are_told_where_rows_would_look_alike():
    configs = [{"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 3}}, {"a": {"x": 1}}]
    groups = [[record(0, group=str(number), config=config)] for number, config in enumerate(configs)]
    assert notes(groups, lambda record: "alike", set()) == [" (a.y=2)", " (a.y=3)", ""]
    assert notes(groups, lambda record: "alike", {"a.y"}) == ["", "", ""]
    assert notes(groups, lambda record: record["group"], set()) == ["", "", ""]
    for number, value in enumerate((None, True)):
        groups[number][0]["config"] = {"a": value}
    assert notes(groups[:2], lambda record: "alike", set()) == [" (a=null)", " (a=true)"]


def test_the_command_repeats_all_of_them():
    assert command([record(0)]) == "irg-run data=x seed=0"
    assert command([record(0), record(2)]) == "irg-run -m data=x seed=0,2"
    quoted = record(0, command="irg-run 'methods=[implicit, rsvi]'")
    assert command([quoted]) == "irg-run 'methods=[implicit, rsvi]' seed=0"


def test_spread():
    assert spread([870.0, 880.0]) == "875.0 ± 7.1"
    assert spread([870.04], 2) == "870.04"
    assert spread([1.0, None]) == "not finite"


def test_equal_names_are_numbered():
    assert [numbered("a", others) for others in ([], ["b"], ["a"], ["a", "a (2)"])] == ["a", "a", "a (2)", "a (3)"]


def test_labels_are_sorted_by_the_numbers_in_them():
    labels = ["RSVI, B = 5", "RSVI, B = 20", "RSVI, B = 5, no correction", "RSVI", "implicit", "10 codes", "9 codes"]
    assert sorted(labels, key=by_number) == [
        "9 codes",
        "10 codes",
        "RSVI",
        "RSVI, B = 5",
        "RSVI, B = 5, no correction",
        "RSVI, B = 20",
        "implicit",
    ]
