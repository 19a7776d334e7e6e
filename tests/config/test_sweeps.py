from pathlib import Path

import pytest

from irg_experiments.config import ConfigTree
from irg_experiments.config.command_line import Arguments, parse, resolved
from irg_experiments.config.composition import compositions
from irg_experiments.config.sweeps import each_row
from irg_experiments.errors import UserError
from irg_experiments.experiments.runner import make_experiment, run_directory

SWEEPS = ConfigTree().choices("sweep")


def rows_of(*words: str) -> list[tuple[str, ...]]:
    return [row.overrides for row in each_row(parse(["-m", *words]))]


@pytest.mark.parametrize("name", SWEEPS)
def test_every_run_of_every_sweep_can_be(name: str):
    # one seed, as composing takes most of the time
    rows = list(each_row(parse(["-m", f"+sweep={name}", "seed=0"])))
    runs = [make_experiment(resolved(config), row.tree).config for row in rows for _, config, _ in compositions(row)]
    assert len({run_directory(run) for run in runs}) == len(runs) >= len(rows)


def test_a_file_of_a_users_own(tmp_path: Path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(
        "# Mine.\nparams: {seed: '0,1', data: bars}\n"
        "rows:\n  - {method: implicit}\n  - {method: rsvi, method.augmentation: 2}\n"
    )
    here = ("--config-dir", str(tmp_path), "+sweep=mine")
    assert rows_of(*here) == [
        ("seed=0,1", "data=bars", "method=implicit"),
        ("seed=0,1", "data=bars", "method=rsvi", "method.augmentation=2"),
    ]
    assert rows_of(*here, "seed=5") == [
        ("data=bars", "method=implicit", "seed=5"),
        ("data=bars", "method=rsvi", "method.augmentation=2", "seed=5"),
    ]
    assert rows_of(*here, "method=rsvi", "data=newsgroups") == [
        ("seed=0,1", "method=rsvi", "method.augmentation=2", "data=newsgroups")
    ]
    assert rows_of(*here, "method.augmentation=2") == [("seed=0,1", "data=bars", "method=rsvi", "method.augmentation=2")]
    for words, missed in [
        (("method=explicit",), "method=explicit; there are implicit, rsvi"),
        (("method=rsvi,rsvj",), "method=rsvj; there are implicit, rsvi"),
        (("method=implicit", "method.augmentation=2"), "method=implicit and method.augmentation=2"),
    ]:
        with pytest.raises(UserError, match=rf"No row of \+sweep=mine has {missed}\."):
            rows_of(*here, *words)


def test_values_that_are_no_text_are_written_in_hydras_grammar(tmp_path: Path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(
        "# Mine.\nrows: [{threads: null, rerun: true, model.hidden: [3, 4], seed: 2}]\n"
    )
    ((*words,),) = rows_of("--config-dir", str(tmp_path), "+sweep=mine")
    assert words == ["threads=null", "rerun=true", "model.hidden=[3, 4]", "seed=2"]


def test_a_list_selects_the_row_that_has_it(tmp_path: Path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text("# Mine.\nrows: [{model.hidden: '[3,4]'}, {model.hidden: '[5]'}]\n")
    here = ("--config-dir", str(tmp_path), "+sweep=mine")
    assert rows_of(*here, "model.hidden=[3,4]") == [("model.hidden=[3,4]",)]
    assert rows_of(*here, "model.hidden=[5]") == [("model.hidden=[5]",)]
    assert rows_of(*here, "model.hidden=[3, 4]") == [("model.hidden=[3,4]",)]


def test_a_number_selects_the_rows_that_have_it_however_it_is_written(tmp_path: Path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text("# Mine.\nrows: [{rate: 2.0e-3, seed: 1}, {rate: '5.0e-4'}, {rate: true}]\n")
    here = ("--config-dir", str(tmp_path), "+sweep=mine")
    for typed in ("0.002", "2.0e-3", "2e-3"):
        assert rows_of(*here, f"rate={typed}") == [("rate=0.002", "seed=1")]
    assert rows_of(*here, "rate=0.0005,2e-3") == [("rate=0.002", "seed=1"), ("rate=5.0e-4",)]
    assert rows_of(*here, "rate=true") == [("rate=true",)]
    with pytest.raises(UserError, match=r"has rate=1; there are 0\.002, 5\.0e-4, true"):
        rows_of(*here, "rate=1")


def test_a_file_with_the_name_of_one_of_the_package_is_refused(tmp_path: Path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "lda_table.yaml").write_text("# Mine.\nrows: [{seed: 0}]\n")
    with pytest.raises(UserError, match=r"lda_table.yaml has the name of an option of the package"):
        rows_of("--config-dir", str(tmp_path), "+sweep=lda_table")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {method: implicit}\n", "must have the key params or rows"),
        ("params: {}\n", "sweep=mine is empty: it must have the key params or rows"),
        ("rows: []\n", "rows must be a list of at least one row"),
        ("rows: [implicit]\n", r"rows must be|rows.* must be keys with values"),
        ("rows: [{method: implicit}]\nfoo: 1\n", "Unknown key"),
    ],
)
def test_a_file_that_does_not_fit_is_told_in_one_line(tmp_path: Path, text: str, message: str):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(f"# Mine.\n{text}")
    with pytest.raises(UserError, match=message):
        rows_of("--config-dir", str(tmp_path), "+sweep=mine")


def test_without_a_sweep_the_command_line_stays():
    arguments = Arguments(("experiment=lda", "seed=3"))
    assert list(each_row(arguments)) == [arguments]
