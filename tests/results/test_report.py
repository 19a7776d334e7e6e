"""irg-report over records of an experiment of the tests, and over what is damaged beside them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from irg_experiments import __version__
from irg_experiments.errors import UserError
from irg_experiments.results.latex import latex
from irg_experiments.results.metrics import Metric
from irg_experiments.results.record import Record
from irg_experiments.results.report import main, marks, replace_tables
from irg_experiments.results.table import Table, comma_separated, markdown, print_table
from tests.results.counted import Counted, change, write

BEGIN, END = marks("counted")


def test_tables_for_people_and_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(tmp_path)
    main([str(tmp_path)])
    out = capsys.readouterr().out
    assert "What was counted" in out
    assert "irg-run" not in out
    main([str(tmp_path), "--format", "markdown"])
    assert "| bars | 3.2 | irg-run experiment=counted |" in capsys.readouterr().out
    main([str(tmp_path), "--format", "csv"])
    assert capsys.readouterr().out == "data,x,command\nbars,3.2,irg-run experiment=counted\n"


def test_a_record_is_a_path_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(tmp_path)
    write(tmp_path, "b")
    main([str(tmp_path / "b" / "record.json"), "--format", "csv"])
    assert capsys.readouterr().out.count("bars") == 1


def test_csv_is_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    tables = [Table(name, "", ["data", "x"], [[name, "1"]]) for name in ("first", "second")]
    monkeypatch.setattr(Counted, "tables", lambda records: tables)
    write(tmp_path)
    with pytest.raises(UserError, match="choose it by --table first or second"):
        main([str(tmp_path), "--format", "csv"])
    main([str(tmp_path), "--format", "csv", "--table", "second"])
    assert capsys.readouterr().out == "data,x\nsecond,1\n"
    with pytest.raises(UserError, match=r"Unknown table 'secnd'\. Did you mean second\?"):
        main([str(tmp_path), "--table", "secnd"])


def test_figures_are_drawn_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path) / "figures" / "picture.png"
    path.parent.mkdir()
    path.write_text("old")
    main([str(tmp_path), "--figures"])
    assert path.read_text() == "new"
    assert str(path) in capsys.readouterr().out


def test_figures_over_several_runs_are_drawn_into_the_first_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for folder, name in (("x", "a"), ("y", "b")):
        write(tmp_path / folder, name)
    write(tmp_path / "x", "unfinished", "running")
    main([str(tmp_path / "x"), str(tmp_path / "y"), "--figures"])
    path = tmp_path / "x" / "figures" / "counted_all.png"
    assert path.read_text() == "a b"
    assert str(path) in capsys.readouterr().out


def test_tables_are_written_between_their_marks(tmp_path: Path):
    write(tmp_path)
    page, other = tmp_path / "page.md", tmp_path / "README"
    for file in (page, other):
        file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main([str(tmp_path), "--update"])
    assert re.fullmatch(rf"before\n{BEGIN}\n.*\| bars \|.*\n{END}\nafter\n", page.read_text(), re.DOTALL)
    assert "old" in other.read_text()
    main([str(tmp_path), "--update", str(other)])
    assert other.read_text() == page.read_text()


def test_files_that_cannot_be_updated_are_named(tmp_path: Path):
    write(tmp_path)
    with pytest.raises(UserError, match=r"nowhere\.md"):
        main([str(tmp_path), "--update", str(tmp_path / "nowhere.md")])
    assert not (tmp_path / "nowhere.md").exists()
    with pytest.raises(UserError, match="no lines"):
        replace_tables("text", [Table("counted", "", ["a"], [])])


def test_a_folder_without_a_finished_run_says_so(tmp_path: Path):
    with pytest.raises(UserError, match=r"No record\.json below"):
        main([str(tmp_path)])
    with pytest.raises(UserError, match=r"nowhere does not exist\."):
        main([str(tmp_path / "nowhere")])
    for name, status in (("a", "failed"), ("b", "failed"), ("c", "running")):
        write(tmp_path, name, status)
    with pytest.raises(UserError, match="2 failed, 1 unfinished"):
        main([str(tmp_path)])


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize("content", [b'{"sta', b"\xff", b"[]", b"{}", b"3", b"[" * 100_000, None])
def test_what_is_no_record_is_named_and_the_rest_shown(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    write(tmp_path)
    damaged = tmp_path / "damaged" / "record.json"
    damaged.parent.mkdir()
    if content is None:
        damaged.mkdir()
    else:
        damaged.write_bytes(content)
    write(tmp_path, "foreign", target="nobody.knows.This")
    main([str(tmp_path)])
    assert str(damaged) in caplog.text
    assert "nobody.knows.This" in caplog.text
    assert "3.2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"started": None}, "started must be text, not null."),
        ({"schema_version": 99}, "its schema_version is 99, and this version of irg-experiments reads 1 and 2."),
        ({"config": nested(200)}, "its config is nested deeper than 100 levels."),
        ({"metrics": nested(200)}, "its metrics is nested deeper than 100 levels."),
        ({"metrics": {"x": "many"}}, "metrics.x must be a number, not 'many'."),
    ],
)
def test_a_record_with_one_wrong_field_is_named_and_the_rest_shown(
    tmp_path: Path, changes: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    write(tmp_path)
    path = change(write(tmp_path, "b"), **changes)
    main([str(tmp_path)])
    assert caplog.messages == [f"{path} is left out: {reason}"]
    assert "3.2" in capsys.readouterr().out


def test_a_record_that_no_table_can_be_made_of_is_named_and_the_rest_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    write(tmp_path)
    lacking = change(write(tmp_path, "b"), metrics={})
    main([str(tmp_path)])
    assert caplog.messages == [f"{lacking} is left out: no table can be made of it (no 'x')."]
    assert "3.2" in capsys.readouterr().out
    change(tmp_path / "a", metrics={"x": None})
    with pytest.raises(UserError, match="No table can be made of the finished runs below"):
        main([str(tmp_path)])


def test_tables_that_fail_for_all_records_together_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    write(tmp_path)
    write(tmp_path, "b")

    def alone(records: Sequence[Record]) -> list[Table]:
        (_,) = records
        return []

    monkeypatch.setattr(Counted, "tables", alone)
    with pytest.raises(UserError, match="No table"):
        main([str(tmp_path)])
    assert "The tables of counted could not be made (ValueError: too many values" in caplog.text


def test_records_that_cannot_be_read_are_no_missing_ones(tmp_path: Path):
    change(write(tmp_path), seed="0")
    with pytest.raises(UserError, match=r"^No record\.json below .* can be read\.$"):
        main([str(tmp_path)])


@pytest.mark.parametrize(("number", "words"), [(1, "1 run is left out"), (2, "2 runs are left out")])
def test_an_experiment_that_makes_no_tables_is_left_out(
    tmp_path: Path, number: int, words: str, caplog: pytest.LogCaptureFixture
):
    write(tmp_path)
    for name in ("b", "c")[:number]:
        write(tmp_path, name, target="os.path.join")
    main([str(tmp_path)])
    assert caplog.messages == [f"{words}: config._target_ 'os.path.join' is no experiment."]


@pytest.mark.parametrize("words", [["--format", "pdf"], ["--table"], ["--foo"]])
def test_wrong_options_are_told_in_one_line(words: list[str]):
    with pytest.raises(UserError, match=r"^\S.*\. See irg-report --help\.$"):
        main(words)


def test_latex_has_no_command_and_is_escaped():
    rows = [["a_b & 50%", "-1.5 ± 0.2", "irg-run"], ["{x}", "–", "irg-run"]]
    table = Table("t", "Mean ± std, #1", ["name", "x − y", "command"], rows, page_only=("command",))
    assert latex(table).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Mean $\pm$ std, \#1}",
        r"\label{tab:t}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"name & x $-$ y \\",
        r"\midrule",
        r"a\_b \& 50\% & $-$1.5 $\pm$ 0.2 \\",
        r"\{x\} & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_all_metrics_have_their_standard_errors_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for seed, x in enumerate((1.0, 2.0, 6.0)):
        change(write(tmp_path, str(seed)), seed=seed, group="g", metrics={"x": x, "y": {"z": [1.0, None]}})
    main([str(tmp_path), "--table", "counted_metrics", "--format", "csv"])
    line = '"irg-run -m experiment=counted seed=0,1,2"'
    assert capsys.readouterr().out.splitlines() == [
        "command,metric,mean,standard error,runs",
        f"{line},x,3,1.52753,3",  # √7 / √3
        f"{line},y.z.0,1,0,3",
        f"{line},y.z.1,,,3",
    ]
    main([str(tmp_path)])
    assert "standard error" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 2.0, 6.0], "3.0 ± 1.5"),
        ([100.0, 101.0], "100.50 ± 0.50"),
        ([1e9, 3e9], "2.00e+09 ± 1.00e+09"),
        ([2.5], "2.5"),
        ([1.0, None], "–"),
        ([4.0, 4.0], "4"),
    ],
)
def test_mean_and_standard_error(values: list[float | None], text: str):
    assert str(Metric("x", values)) == text


def test_version_and_help(capsys: pytest.CaptureFixture[str]):
    main(["--version"])
    assert capsys.readouterr().out == f"irg-experiments {__version__}\n"
    main(["--help"])
    assert capsys.readouterr().out.startswith("usage: irg-report")


def test_markdown_and_csv_of_a_table():
    table = Table("t", "T", ["name", "value", "note"], [["a, b", "1", "x"]], labels=1, page_only=("note",))
    assert markdown(table) == "| name | value | note |\n| --- | --: | --- |\n| a, b | 1 | x |"
    assert comma_separated(table) == 'name,value,note\n"a, b",1,x'


def test_numbers_of_csv_are_plain():
    header = ["name", "mean", "mean", "ratio", "share", "steps", "command"]
    rows = [
        ["a", "879.6 ± 4.4", "not finite", "2.50×", "12.5%", "180,000", "`irg-run seed=0,1`"],
        ["b", "1.0e-08", "–", "–", "0.0%", "0", "`irg-run`"],
    ]
    assert comma_separated(Table("t", "T", header, rows, page_only=("command",))).splitlines() == [
        "name,mean,mean std,mean 2,ratio,share,steps,command",
        'a,879.6,4.4,nan,2.50,0.125,180000,"irg-run seed=0,1"',
        "b,1.0e-08,,,,0,0,irg-run",
    ]


def test_cells_are_text_and_no_markup(capsys: pytest.CaptureFixture[str]):
    print_table(Table("t", "T [red]", ["name"], [["[/b] and [red]"], ["\x1b[31m\n"]]))
    printed = capsys.readouterr().out
    assert "[/b] and [red]" in printed
    assert "│ ?[31m?" in printed
