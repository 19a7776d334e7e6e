from typing import Any

from irg_experiments.results.aggregate import by_number, code_note, command, numbered, repetitions, spread


def record(seed: int, group: str = "g", commit: str = "a" * 40, started: str = "2026-01-01", **changes: Any) -> dict[str, Any]:
    fields = {"seed": seed, "group": group, "git_commit": commit, "started": started, "command": f"irg-run data=x seed={seed}"}
    return {**fields, **changes}


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
    assert code_note(groups[1], groups) == " (commit aaaaaaa)"
    assert code_note(groups[0], groups[:1]) == ""


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
