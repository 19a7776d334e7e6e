import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from irg_experiments.config.components import Component, build
from irg_experiments.config.tree import ConfigTree
from irg_experiments.errors import UserError
from irg_experiments.estimators import supports
from irg_experiments.experiments.cross_entropy import CrossEntropyExperiment
from irg_experiments.experiments.cross_entropy.config import per_block
from irg_experiments.experiments.runner import run_experiment, show
from irg_experiments.implicit import Dirichlet, VonMises
from tests.options import estimators

Compose = Callable[..., DictConfig]
SMOKE = ("experiment=cross_entropy", "budget=smoke")
TREE = ConfigTree()
METHODS = {name: build(Component(**TREE.load("method", name)), name) for name in estimators()}
ABLE = [name for name, it in METHODS.items() if supports(it, Dirichlet) or supports(it, VonMises)]


def run(compose: Compose, tmp_path: Path, *overrides: str) -> Path:
    arguments = [*SMOKE, f"output={tmp_path}", *overrides]
    return run_experiment(compose(*arguments), arguments)


def record_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "record.json").read_text())


def test_a_comparison_leaves_a_record_and_a_figure_and_is_shown_again_from_its_files(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    directory = run(compose, tmp_path)
    assert directory.name.startswith("smoke-seed0-")
    record, printed = record_of(directory), capsys.readouterr().out
    assert (record["status"], record["method"], record["data"], record["compile"]) == ("done", None, None, "off")
    labels = {name: set(methods) for name, methods in record["metrics"].items()}
    assert {"implicit", "RSVI, B = 0", "RSVI, B = 20", "score function", "G-REP"} <= labels["Dirichlet"]
    centred = {f"{name}, {words}" for name in ("RSVI", "score function") for words in ("f centred", "best constant")}
    for name in ("von Mises, κp = 1", "von Mises, κp = 10"):
        assert labels[name] == {"implicit", "finite difference", "RSVI", "score function", "measure-valued"} | centred
        assert record["metrics"][name]["implicit"]["ratio"] == 1
    assert "Dirichlet, 20 one-sample gradients of the cross-entropy per point" in printed
    assert "RSVI, B = 10" in printed
    assert "figures/variance.png" in printed
    picture = (directory / "figures" / "variance.png").read_bytes()
    shutil.rmtree(directory / "figures")
    show(CrossEntropyExperiment, directory)
    assert capsys.readouterr().out == printed
    assert (directory / "figures" / "variance.png").read_bytes() == picture


@pytest.mark.parametrize("name", ABLE)
def test_a_method_alone_is_measured_of_what_it_supports(compose: Compose, tmp_path: Path, name: str):
    directory = run(compose, tmp_path, f"method={name}", "measurement.points=2", "von_mises.concentration=2.0")
    record, method = record_of(directory), METHODS[name]
    families = {"Dirichlet": Dirichlet, "von Mises": VonMises}
    variants = ("", ", f centred", ", best constant") if method.depends_on_constants else ("",)
    expected = {
        it: {method.label_for(family) + variant for variant in variants}
        for it, family in families.items()
        if supports(method, family)
    }
    assert directory.name.startswith(f"{name}-smoke-seed0-")
    assert {it: set(methods) for it, methods in record["metrics"].items()} == expected
    assert (record["method"], record["method_label"]) == (name, method.label)
    assert [entry["name"] for entry in record["config"]["methods"]] == [name]


def test_a_list_of_methods_with_options(compose: Compose, tmp_path: Path):
    methods = "methods=[implicit,{name: rsvi, augmentation: 7},{name: rsvi, baseline: moving_average}]"
    changes = ("von_mises.replicates=6", "von_mises.concentration=[2.0]", "measurement.subtracted=[mean]")
    record = record_of(run(compose, tmp_path, methods, *changes))
    average = "moving average, decay = 0.99"
    assert {name: list(found) for name, found in record["metrics"].items()} == {
        "Dirichlet": ["implicit", "RSVI, B = 7, f centred", f"RSVI, B = 1, {average}"],
        "von Mises": ["implicit", "RSVI, f centred", f"RSVI, {average}"],
    }
    assert record["config"]["methods"][1]["correction"] is True


def test_one_method_and_a_comparison_of_one_are_two_runs(compose: Compose, tmp_path: Path):
    directory = run(compose, tmp_path, "method=score_function", "measurement.points=2")
    assert run(compose, tmp_path, "methods=[score_function]", "measurement.points=2") != directory


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            "method=explicit",
            "method=explicit cannot differentiate samples of Dirichlet or von Mises. Methods that can: finite_",
        ),
        ("methods=[implicit,explicit]", "method=explicit cannot differentiate samples of Dirichlet or von Mises. Methods that"),
        ("methods=implicit", "methods must be a list of methods, such as [implicit, {name: rsvi, augmentation: 5}], not 'imp"),
        ("methods=[]", "methods must be a list of methods, such as [implicit, {name: rsvi, augmentation: 5}], not []."),
        ("methods=[[implicit]]", "methods must be a list of methods, such as [implicit, {name: rsvi, augmentation: 5}], not"),
        ("methods=[implict]", "Unknown method 'implict'. Did you mean implicit"),
        ("methods=[implicit,{name: rsvi, augmentation: -1}]", "methods[1].augmentation must be a whole number from 0 to 1000"),
        ("methods=[{name: rsvi, augmentaton: 1}]", "Unknown key of methods[0] 'augmentaton'. Did you mean augmentation?"),
        ("measurement.points=0", "measurement.points must be a whole number from 1 to 1000000, not 0."),
        ("measurement.blocks=0", "measurement.blocks must be a whole number of at least 1, not 0."),
        ("measurement.dtype=float16", "measurement.dtype must be float32 or float64, not 'float16'."),
        ("dirichlet.replicates=1", "dirichlet.replicates must be a whole number of at least 2, not 1."),
        ("dirichlet.components=1", "dirichlet.components must be a whole number from 2 to 1000000, not 1."),
        ("dirichlet.trials=0", "dirichlet.trials must be a whole number of at least 1, not 0."),
        ("dirichlet.prior=0", "dirichlet.prior must be a positive number of at most 1e6, not 0."),
        ("dirichlet.counts_seed=-1", "dirichlet.counts_seed must be a whole number from 0 to 4294967295, not -1."),
        ("dirichlet.sweep=[3,1]", "dirichlet.sweep must be two positive numbers of at most 1e6, the smaller first"),
        ("von_mises.sweep=[0,1]", "von_mises.sweep must be two positive numbers of at most 1e6, the smaller first"),
        ("von_mises.loc=nan", "von_mises.loc must be a number, not NaN."),
        (
            "von_mises.concentration=-1",
            "von_mises.concentration must be a positive number of at most 1e6, or a list of different ones",
        ),
        ("data=bars", "experiment=cross_entropy takes no data: leave out data=…"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(compose: Compose, tmp_path: Path, overrides: str, message: str):
    with pytest.raises(UserError) as error:
        run(compose, tmp_path, overrides)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_no_replicate_is_lost_to_more_blocks_than_there_are():
    assert [per_block(*it) for it in ((1000, 20), (7, 2), (2, 5), (2, 1))] == [50, 3, 1, 2]


def test_the_experiment_and_its_figures_are_imported_without_torch():
    code = (
        "import sys; import irg_experiments.experiments.cross_entropy, irg_experiments.experiments.cross_entropy.figures as f;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
