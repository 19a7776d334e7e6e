from pathlib import Path

import pytest

from irg_experiments.config import ConfigTree
from irg_experiments.config.command_line import parse, resolved
from irg_experiments.config.composition import compose, compositions
from irg_experiments.config.presets import with_preset
from irg_experiments.config.sweeps import each_row
from irg_experiments.errors import UserError
from irg_experiments.experiments.runner import make_experiment
from irg_experiments.sweeps.launch import Launcher
from irg_experiments.sweeps.plan import is_of_hydra


def words_of(*words: str) -> tuple[str, ...]:
    return with_preset(parse(words)).overrides


@pytest.mark.parametrize("name", ConfigTree().choices("preset"))
def test_every_preset_makes_a_run(name: str):
    """By the command of its second line."""
    path = ConfigTree().path("preset", name)
    words = path.read_text(encoding="utf-8").splitlines()[1].removeprefix("# irg-run ").split()
    assert f"+preset={name}" in words
    arguments = with_preset(parse(words))
    make_experiment(resolved(compose(arguments)), arguments.tree)


def mine(folder: Path, text: str) -> tuple[str, ...]:
    (folder / "preset").mkdir()
    (folder / "preset" / "mine.yaml").write_text(f"# Mine.\n{text}")
    return "--config-dir", str(folder), "+preset=mine"


def test_typed_values_come_before_those_of_the_file(tmp_path: Path):
    here = mine(tmp_path, "seed: 3\nmodel.hidden: [4, 5]\n")
    assert words_of(*here) == ("seed=3", "model.hidden=[4, 5]")
    assert words_of("data=bars", *here, "seed=1") == ("model.hidden=[4, 5]", "data=bars", "seed=1")


def test_rows_of_a_sweep_come_before_it_too(tmp_path: Path):
    here = mine(tmp_path, "seed: 3\nmethod.augmentation: 7\n")
    rows = each_row(parse(["-m", *here, "+sweep=lda_table", "method=rsvi", "method.augmentation=5", "data=bars"]))
    (words,) = (with_preset(row).overrides for row in rows)
    assert "method.augmentation=5" in words
    assert not {"method.augmentation=7", "seed=3", "+preset=mine"} & set(words)


@pytest.mark.parametrize(("text", "message"), [("- 1\n", "must have keys with values"), ("", "must have keys with values")])
def test_a_file_that_does_not_fit_is_told_in_one_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(UserError, match=message):
        words_of(*mine(tmp_path, text))


def test_an_unknown_preset_and_two_of_them_are_refused():
    with pytest.raises(UserError, match=r"Unknown preset 'paper'\. Did you mean paper_2018"):
        words_of("+preset=paper")
    with pytest.raises(UserError, match="given 2 times"):
        words_of("+preset=paper_2018", "+preset=paper_2018")


def test_without_a_preset_the_command_line_stays():
    arguments = parse(["experiment=lda", "seed=3"])
    assert with_preset(arguments) is arguments


@pytest.mark.parametrize("name", ConfigTree().choices("launch"))
def test_every_launch_preset_has_settings_of_its_launcher(name: str):
    row = with_preset(parse(["-m", f"+launch={name}", "experiment=lda", "seed=0,1"]))
    launcher = Launcher(tuple(filter(is_of_hydra, row.overrides)), row.tree)
    assert len(launcher.words) == len(row.overrides) - 2
    try:
        launcher.check()
    except UserError as error:
        pytest.skip(str(error))
    assert [it.words[-1] for it in compositions(row)] == ["seed=0", "seed=1"]


def test_a_launcher_is_for_sweeps_and_its_settings_can_be_typed():
    with pytest.raises(UserError, match=r"\+launch=parallel distributes the runs of a sweep: add -m"):
        words_of("+launch=parallel")
    added = "+hydra.launcher.ray.remote.num_gpus=0"
    assert added not in words_of("-m", "+launch=ray", "+hydra.launcher.ray.remote.num_gpus=1")
    # Hydra applies one after the other: without the first, the second would be refused
    words = words_of("-m", "+launch=ray", "hydra.launcher.ray.remote.num_gpus=1")
    assert words.index(added) < words.index("hydra.launcher.ray.remote.num_gpus=1")
