"""The commands as a person types them, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from irg_experiments import __version__
from irg_experiments.cli import help_text, run
from irg_experiments.config import GROUPS, check_choices, check_overrides, choices, description
from irg_experiments.errors import UserError

RUN = [sys.executable, "-c", "from irg_experiments.cli import run; run()"]
SMOKE = ["experiment=lda", "budget=smoke", "compile=off", "threads=1"]


def irg_run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment}
    return subprocess.run([*RUN, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def test_help_lists_everything_without_importing_torch(tmp_path: Path):
    code = "import sys; from irg_experiments.cli import run; run(); assert 'torch' not in sys.modules"
    result = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert result.returncode == 0, result.stderr
    for group in GROUPS:
        for choice in choices(group):
            assert choice in result.stdout
    assert result.stdout.count("\n  irg-run ") == 5


def test_descriptions_in_the_help_are_one_column():
    lines = [line for line in help_text().splitlines() if line.startswith("  ")]
    columns = {
        line.index(description(group, choice))
        for group in GROUPS
        for choice in choices(group)
        for line in lines
        if line.split()[0] == choice and description(group, choice) in line
    }
    assert len(columns) == 1


def test_version_is_that_of_the_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["irg-run", "--version"])
    run()
    assert capsys.readouterr().out == f"irg-experiments {__version__}\n"


@pytest.mark.parametrize(("group", "choice"), [(group, choice) for group in GROUPS for choice in choices(group)])
def test_every_choice_says_what_it_is(group: str, choice: str):
    assert len(description(group, choice)) > 10


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("experiment=ldaa", "Did you mean lda?"),
        ("method=implict", "Did you mean implicit"),
        ("data=newsgroup", "Did you mean newsgroups?"),
        ("budget=x", "Valid: paper, short, smoke"),
    ],
)
def test_unknown_choices_name_the_nearest(override: str, hint: str):
    with pytest.raises(UserError, match=override.partition("=")[2]) as error:
        check_choices([override])
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_sweeps_of_known_choices_pass_the_check():
    check_choices(["method=implicit,explicit", "data=glob(*)", "seed=0,1", "+method=implicit"])


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["experiment=lda", "seed=0,1,2"], "seed=0,1,2 is several values: add -m"),
        (["seed=range(0,3)"], "add -m"),
        (["methd=implicit"], "Unknown key 'methd'. Did you mean method?"),
        (["trainin.steps=3"], "Did you mean training.steps?"),
        (["learning_rate=1"], "Did you mean training.learning_rate?"),
        (["training.stps=3"], "Unknown key of training 'stps'. Did you mean steps?"),
        (["experiment=vae", "latent=gamma", "latent.dimm=3"], "Valid: name, family, dim, concentration, rate."),
        (["experiment=lda", "latent=gamma"], "latent goes with experiment=vae"),
        (["experiment=lda", "latent.dim=3", "zz=1"], "latent goes with experiment=vae"),
        (["experiment=accuracy", "data.root=x"], "data goes with experiment=lda or vae"),
        (["lda"], "arguments are key=value, such as experiment=lda"),
        (["mnist"], "such as data=mnist"),
        (["=3"], "arguments are key=value"),
        (["seed=[1"], "See irg-run --help"),
        (["+seed=1"], "already at 'seed'. See irg-run --help"),
    ],
)
def test_overrides_that_cannot_be_say_what_can(arguments: list[str], remedy: str):
    with pytest.raises(UserError) as error:
        check_overrides(arguments, sweep=False)
    assert remedy in str(error.value)
    assert "\n" not in str(error.value)


def test_sweeps_are_checked_by_their_first_values():
    check_overrides(["experiment=vae,lda", "latent=glob(*)", "seed=range(0,3)", "data=digits"], sweep=True)
    for mistake, remedy in (("methd=implicit,explicit", "Did you mean method?"), ("data=glob(x*)", "nothing to run")):
        with pytest.raises(UserError) as error:
            check_overrides(["method=glob(*)", mistake], sweep=True)
        assert remedy in str(error.value)


def test_users_mistakes_end_in_one_line_and_exit_code_2(tmp_path: Path):
    for arguments, part in (
        (["experiment=nonsense"], "Unknown experiment 'nonsense'"),
        (["method=explicit", *SMOKE], "LN-LDA"),
        (["trainin.steps=3"], "trainin"),
        (["device=gpu", *SMOKE], "Unknown device 'gpu'"),
        (["training.steps=0", *SMOKE], "training.steps must be a whole number of at least 1, not 0."),
    ):
        result = irg_run(*arguments, cwd=tmp_path)
        assert result.returncode == 2, result.stderr
        errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
        assert len(errors) == 1
        assert part in errors[0]
        assert "Traceback" not in result.stderr


def test_a_sweep_over_methods_runs_those_that_can_and_says_which_cannot(tmp_path: Path):
    overrides = ["experiment=cross_entropy", "budget=smoke", "compile=off", "method=explicit,implicit"]
    result = irg_run("-m", *overrides, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("error: method=explicit cannot differentiate samples of Dirichlet or von Mises") == 1
    assert "Traceback" not in result.stderr
    assert [path.parent.name.split("-")[0] for path in tmp_path.rglob("record.json")] == ["implicit"]


def test_a_sweep_makes_one_run_a_value_wherever_its_option_stands(tmp_path: Path):
    result = irg_run(*SMOKE, "-m", "seed=0,1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.rglob("record.json"))]
    assert [(record["seed"], record["status"]) for record in records] == [(0, "done"), (1, "done")]
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


def test_kill_and_repeat_gives_the_same_metrics(tmp_path: Path):
    arguments = [*SMOKE, "training.steps=400", "training.checkpoint_every=20"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    assert irg_run(*arguments, cwd=whole).returncode == 0
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen([*RUN, *arguments], cwd=broken, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(broken.rglob("checkpoint.previous.pt")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (path,) = broken.rglob("record.json")
    assert json.loads(path.read_text())["status"] == "running"
    result = irg_run(*arguments, cwd=broken)
    assert "Going on from step" in result.stderr
    (reference,) = whole.rglob("record.json")
    assert json.loads(path.read_text())["metrics"] == json.loads(reference.read_text())["metrics"]
