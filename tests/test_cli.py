"""The commands as a person types them; in a process of their own where that makes a difference."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from irg_experiments import __version__, cli
from irg_experiments.cli import help_text, report, run
from irg_experiments.config import GROUPS, ConfigTree
from irg_experiments.training.metrics_log import MetricsLog
from tests.command_line import ROOT, irg_report, irg_run

SMOKE = ["experiment=lda", "budget=smoke", "threads=1", "+data.num_test=50"]
TREE = ConfigTree()


class Outcome(NamedTuple):
    """What a command returned and printed."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Outcome]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``irg-run`` with the arguments, in this process and in the folder ``cwd``."""

    def typed(*arguments: str, cwd: Path) -> Outcome:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["irg-run", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            run()
        return Outcome(exit_.value.code, *capsys.readouterr())

    return typed


def test_help_lists_everything_without_importing_torch_or_hydra():
    code = "import atexit, sys; from irg_experiments.cli import run\n"
    code += "atexit.register(lambda: print({'torch', 'hydra'} & set(sys.modules)))\nrun()"
    result = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("set()\n")
    for group in GROUPS:
        for choice in TREE.choices(group):
            assert choice in result.stdout
    assert result.stdout.count("\n  irg-run ") == 5


def test_descriptions_in_the_help_are_one_column():
    lines = [line for line in help_text(TREE).splitlines() if line.startswith("  ")]
    columns = {
        line.index(TREE.description(group, choice))
        for group in GROUPS
        for choice in TREE.choices(group)
        for line in lines
        if line.split()[0] == choice and TREE.description(group, choice) in line
    }
    assert len(columns) == 1


@pytest.mark.parametrize("command", [run, report])
def test_version_is_that_of_the_package(
    command: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", [command.__name__, "--version"])
    with pytest.raises(SystemExit) as exit_:
        command()
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"irg-experiments {__version__}\n"


def test_torch_does_not_tell_of_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch):
    logger = logging.getLogger("torch.utils.cpp_extension")
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    monkeypatch.setattr(sys, "argv", ["irg-run", "--version"])
    with pytest.raises(SystemExit):
        run()
    assert not logger.isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(("group", "choice"), [(group, choice) for group in GROUPS for choice in TREE.choices(group)])
def test_every_choice_says_what_it_is(group: str, choice: str):
    assert len(TREE.description(group, choice)) > 10


def test_a_users_mistake_in_a_process_of_its_own(tmp_path: Path):
    result = irg_run("training.steps=0", *SMOKE, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "error: training.steps must be a whole number of at least 1, not 0.\n"
    assert not list(tmp_path.iterdir())


def test_a_sweep_over_methods_runs_those_that_can_and_says_which_cannot(typed: Command, tmp_path: Path):
    overrides = ["experiment=cross_entropy", "budget=smoke", "method=explicit,implicit"]
    result = typed("-m", *overrides, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("method=explicit cannot differentiate") == 1
    assert "Traceback" not in result.stderr
    assert [path.parent.name.split("-")[0] for path in tmp_path.rglob("record.json")] == ["implicit"]


def test_a_sweep_makes_one_run_a_value_wherever_its_option_stands(typed: Command, tmp_path: Path):
    result = typed(*SMOKE, "-m", "seed=0,1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.rglob("record.json"))]
    assert [(record["seed"], record["status"]) for record in records] == [(0, "done"), (1, "done")]
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


@pytest.mark.parametrize(("name", "code", "swept"), [("SIGINT", 130, False), ("SIGTERM", 143, True)])
def test_a_signal_ends_runs_and_the_same_command_goes_on(
    typed: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    code: int,
    swept: bool,
):
    arguments = [*SMOKE, "training.log_every=10", "training.steps=60", *(["-m", "seed=0,1"] if swept else [])]

    def write(self: MetricsLog, step: int, metrics: dict[str, float], write: Callable[..., None] = MetricsLog.write) -> None:
        write(self, step, metrics)
        if step == 30:
            signal.raise_signal(getattr(signal, name))

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "write", write)
        result = typed(*arguments, cwd=tmp_path)
    assert result.returncode == code
    words = "The same command without rerun=true goes on from the last checkpoint, or begins again."
    assert result.stderr == f"Interrupted by {name}. {words}\n"
    (path,) = tmp_path.rglob("record.json")  # the second run of the sweep did not start
    assert json.loads(path.read_text())["status"] == "interrupted"
    assert not list(tmp_path.rglob("*.lease.*"))
    with caplog.at_level(logging.INFO):
        assert typed(*arguments, cwd=tmp_path).returncode == 0
    assert "Resuming at step 30 of 60." in caplog.messages
    assert [json.loads(it.read_text())["status"] for it in tmp_path.rglob("record.json")] == ["done"] * (1 + swept)


def test_a_diverged_run_stops_no_other_run_of_a_sweep(typed: Command, tmp_path: Path):
    result = typed(*SMOKE, "-m", "training.learning_rate=1e30,3e-4", cwd=tmp_path)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    statuses = [json.loads(path.read_text())["status"] for path in tmp_path.rglob("record.json")]
    assert sorted(statuses) == ["done", "failed"]


@pytest.mark.parametrize("target", ["closed pipe", "/dev/full", "ascii"])
def test_output_that_cannot_be_printed_loses_nothing(tmp_path: Path, target: str):
    environment = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"} if target == "ascii" else {}
    where = {"closed pipe": "| head -c 1", "/dev/full": "> /dev/full", "ascii": ""}[target]
    if target == "/dev/full" and not os.path.exists(target):
        pytest.skip("no /dev/full on this system")
    overrides = ["experiment=cross_entropy", "budget=smoke", "method=implicit", "measurement.points=2"]  # prints µ and ×
    result = irg_run(*overrides, cwd=tmp_path, shell=where, **environment)
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    (path,) = tmp_path.rglob("record.json")
    record = json.loads(path.read_text())
    assert record["status"] == "done"
    assert record["metrics"]["Dirichlet"]["implicit"]["variance"] > 0


@pytest.mark.parametrize("command", ["irg-run --cfg job", "irg-report"])
@pytest.mark.parametrize(
    ("where", "code", "told"),
    [
        ("| head -c 1", 0, ""),
        (">&-", 0, ""),
        ("> /dev/full", 1, "error: The output cannot be written: No space left on device.\n"),
    ],
)
def test_a_command_that_only_prints_says_when_it_cannot(tmp_path: Path, command: str, where: str, code: int, told: str):
    if "/dev/full" in where and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    piped = f"; echo $? > code) {where}" if "|" in where else f"{where}; echo $? > code)"
    if command == "irg-report":
        result = irg_report(str(ROOT / "outputs" / "reference" / "accuracy"), cwd=tmp_path, shell=piped)
    else:
        result = irg_run("--cfg", "job", cwd=tmp_path, shell=piped)
    assert ((tmp_path / "code").read_text(), result.stderr) == (f"{code}\n", told)


def test_the_traceback_behind_one_line_is_shown_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    option = tmp_path / "mine" / "method" / "nowhere.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("# Mine.\nname: nowhere\n_target_: nowhere.Method\n")
    monkeypatch.setattr(sys, "argv", ["irg-run", "--config-dir", "mine", "method=nowhere"])
    for full in (False, True):
        monkeypatch.setattr(cli, "FULL_ERROR", full)
        with pytest.raises(SystemExit):
            run()
        printed = capsys.readouterr().err
        assert ("Traceback" in printed) == full
        assert printed.splitlines()[-1].startswith("error: method._target_ 'nowhere.Method' cannot be imported")
