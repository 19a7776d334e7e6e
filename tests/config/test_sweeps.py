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
    runs = [make_experiment(resolved(config), row.tree).config for row in rows for _, config in compositions(row)]
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
    assert rows_of(*here, "method=rsvi,explicit", "data=newsgroups") == [
        ("seed=0,1", "method=rsvi", "method.augmentation=2", "data=newsgroups")
    ]
    with pytest.raises(UserError, match=r"No row of \+sweep=mine has method=explicit\."):
        rows_of(*here, "method=explicit")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {method: implicit}\n", "must have the key rows"),
        ("params: {seed: 0}\n", "rows is missing"),
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
