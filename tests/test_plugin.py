"""A user's own package, copied to a folder of its own: what it adds is found and runs, and no file of this project names it."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from irg_experiments import cli
from irg_experiments.config import GROUPS, ConfigTree
from irg_experiments.config.components import Component, find
from irg_experiments.experiments.choices import methods_for
from irg_experiments.implicit import Beta, Dirichlet, Reparameterized
from tests.command_line import SECONDS

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "tests/plugin"
TREE = ConfigTree((PLUGIN / "my_configs",))
ADDED = {
    "experiment": "beta_fit",
    "model": "linear_lda",
    "method": "averaged",
    "latent": "laplace",
    "objective": "renyi",
    "data": "sayings",
}

Command = Callable[..., str]


@pytest.fixture(autouse=True)
def _folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    shutil.copytree(PLUGIN, tmp_path, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IRG_DATA", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_irg"]:
        del sys.modules[name]


@pytest.fixture
def irg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Types a command in the folder of the user, and returns what it prints."""

    def irg(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", list(words))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            (cli.run if words[0] == "irg-run" else cli.report)()
        printed = capsys.readouterr()
        assert exit_.value.code == 0, printed.err
        return printed.out

    return irg


def irg_run(irg: Command, *overrides: str) -> list[dict[str, Any]]:
    """The records of smoke runs with these overrides."""
    irg("irg-run", "--config-dir", "my_configs", "budget=smoke", "threads=1", *overrides)
    return [json.loads(path.read_text()) for path in sorted(Path("outputs").rglob("record.json"))]


def test_the_help_lists_it(irg: Command):
    text = irg("irg-run", "--config-dir", "my_configs", "--help")
    for group, name in ADDED.items():
        line = next(line for line in text.splitlines() if line.startswith(f"  {name} "))
        assert line.endswith(TREE.description(group, name))
    assert set(ADDED) == set(GROUPS)


def test_option_files_are_found_and_described():
    for group, name in ADDED.items():
        assert set(TREE.choices(group)) - set(ConfigTree().choices(group)) == {name}
        assert len(TREE.description(group, name)) > 10
        option = TREE.load(group, name)
        assert callable(find(Component(_target_=option["_target_"], name=name), group))
        assert option.get("name", option.get("experiment")) == name
    for family in (Beta, Dirichlet, Reparameterized):
        assert "averaged" in methods_for(family, TREE)


def test_a_topic_model_its_data_and_its_estimator(irg: Command):
    (record,) = irg_run(irg, "experiment=lda", "data=sayings", "model=linear_lda", "method=averaged")
    assert record["status"] == "done"
    assert record["config"]["model"]["topics"] == 2  # recommended by the data
    assert 1 < record["metrics"]["test_perplexity"] < 400
    row = next(line for line in irg("irg-report").splitlines() if "linear_lda" in line)
    assert "implicit, 4 draws" in row
    assert "sayings" in row


def test_a_latent_space(irg: Command):
    (record,) = irg_run(irg, "experiment=vae", "data=digits", "latent=laplace", "method=averaged")
    assert record["metrics"]["test_nll"] < 64 * 0.7  # nats; 0.7 per pixel is a fair coin
    # the methods that the option recommends
    assert {name for name in record["metrics"] if name.startswith("gradient_variance_")} == {
        "gradient_variance_implicit",
        "gradient_variance_averaged",
    }
    assert list(Path("outputs").rglob("latent_space.png"))
    assert "laplace" in irg("irg-report")


def test_an_objective(irg: Command):
    (record,) = irg_run(
        irg, "experiment=vae", "data=digits", "latent=laplace", "objective=renyi", "gradient_variance.methods=[]"
    )
    metrics = record["metrics"]
    assert metrics["test_nll"] < metrics["test_negative_bound"] < metrics["test_negative_elbo"]
    assert record["config"]["training"]["num_samples"] == 5  # recommended
    row = next(line for line in irg("irg-report").splitlines() if "laplace" in line)
    assert "implicit, renyi, 5 codes" in row


def test_an_experiment(irg: Command):
    method = ("method=averaged", "method.draws=2")
    records = irg_run(irg, "-m", "experiment=beta_fit", *method, "seed=0,1")
    assert [(record["seed"], record["status"], record["method_label"]) for record in records] == [
        (0, "done", "implicit, 2 draws"),
        (1, "done", "implicit, 2 draws"),
    ]
    assert len(list(Path("outputs").rglob("divergence.png"))) == 2
    table = irg("irg-report", "--format", "markdown")
    mean = sum(record["metrics"]["kl"] for record in records) / 2
    assert f"| implicit, 2 draws | {mean:.5f} ± " in table
    # the command that repeats both
    assert "`irg-run -m --config-dir my_configs budget=smoke threads=1 experiment=beta_fit method=averaged" in table
    # a second call shows the finished run
    again = irg("irg-run", "--config-dir", "my_configs", "budget=smoke", "threads=1", "experiment=beta_fit", *method)
    assert f"{records[0]['metrics']['kl']:.5f}" in again


def test_a_finished_run_of_an_edited_class_is_said_to_be_so(irg: Command, caplog: pytest.LogCaptureFixture):
    arguments = ("experiment=beta_fit", "method=averaged")
    (record,) = irg_run(irg, *arguments)
    assert set(record["sources"]) == {"my_irg.averaged.Averaged", "my_irg.beta_fit.BetaFit"}
    with Path("my_irg/averaged.py").open("a") as file:
        file.write("# edited\n")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        irg_run(irg, *arguments)
    assert "by other code (my_irg.averaged.Averaged " in caplog.text
    assert "rerun=true runs it once more" in caplog.text


def test_a_comparison_with_the_methods_of_the_package(irg: Command):
    methods = "methods=[implicit,averaged,{name: averaged, draws: 2}]"
    (record,) = irg_run(irg, "experiment=cross_entropy", methods, "measurement.points=2")
    assert set(record["metrics"]) == {"Dirichlet", "von Mises, κp = 1", "von Mises, κp = 10"}
    for found in record["metrics"].values():
        assert set(found) == {"implicit", "implicit, 2 draws", "implicit, 4 draws"}


def test_as_a_module_from_the_folder_of_the_user():
    arguments = ["--config-dir", "my_configs", "experiment=beta_fit", "method=averaged", "budget=smoke"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "irg_experiments", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 0, result.stderr
    assert "implicit, 4 draws" in result.stdout


@pytest.mark.parametrize(
    ("file", "text", "arguments", "message"),
    [
        (
            "latent/normal.yaml",
            "# Mine.\nname: normal\n",
            (),
            "my_configs/latent/normal.yaml has the name of an option of the package: choose another one.",
        ),
        (
            "method/mine.yaml",
            "# Mine.\nname: implicit\n_target_: irg_experiments.estimators.Implicit\n",
            ("method=mine",),
            "method.name must be mine, the name of its file {folder}/my_configs/method/mine.yaml, "
            "not 'implicit': correct it there.",
        ),
        (
            "experiment/mine.yaml",
            "# Mine.\n_target_: my_irg.beta_fit.BetaFit\nexperiment: mine\n",
            ("experiment=mine",),
            "The experiment's file must begin with '# @package _global_', and have a key experiment with its name.",
        ),
    ],
)
def test_mistakes_in_option_files_are_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    text: str,
    arguments: tuple[str, ...],
    message: str,
):
    Path("my_configs", file).write_text(text)
    monkeypatch.setattr(sys, "argv", ["irg-run", "--config-dir", "my_configs", *arguments])
    with pytest.raises(SystemExit) as exit_:
        cli.run()
    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"error: {message.format(folder=Path.cwd())}\n"


def test_contributing_shows_these_files():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    quoted = re.findall(r"\[`(tests/plugin/[^`]+)`\]\(\1\):\n\n```\w+\n(.*?)```", text, re.DOTALL)
    assert len(quoted) == 3
    for path, content in quoted:
        assert content == (ROOT / path).read_text(), path
    for group, name in ADDED.items():
        assert f"my_configs/{group}/{name}.yaml" in text
    for path in PLUGIN.glob("my_irg/*.py"):
        assert f"my_irg/{path.name}" in text


def test_no_file_of_the_project_names_it():
    paths = [path for folder in ("irg_experiments", "configs") for path in (ROOT / folder).rglob("*.*")]
    texts = [path.read_text() for path in paths if path.suffix in (".py", ".yaml")]
    assert len(texts) > 100
    assert not [text for text in texts for name in ("my_irg", *ADDED.values()) if f'"{name}"' in text or f": {name}" in text]
