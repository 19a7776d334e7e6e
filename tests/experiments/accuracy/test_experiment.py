import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from irg_experiments.errors import UserError
from irg_experiments.experiments.accuracy import AccuracyExperiment
from irg_experiments.experiments.runner import run_experiment, show

Compose = Callable[..., DictConfig]
SMOKE = ("experiment=accuracy", "budget=smoke")
FIGURES = {"error_float32.png", "error_float64.png"}


def run(compose: Compose, tmp_path: Path, *overrides: str) -> Path:
    arguments = [*SMOKE, f"output={tmp_path}", *overrides]
    return run_experiment(compose(*arguments), arguments)


def test_a_run_is_shown_again_from_its_files(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    directory = run(compose, tmp_path)
    record, printed = json.loads((directory / "record.json").read_text()), capsys.readouterr().out
    assert directory.name.startswith("smoke-seed0-")
    assert (record["status"], record["compile"], record["device"], record["method"]) == ("done", "off", "cpu", None)
    assert list(record["metrics"]) == ["Gamma", "Beta", "Student-t", "von Mises"]
    assert "Mean relative error and time of dz/dφ, as multiples" in printed
    assert "nanoseconds per element" in printed
    assert {path.name for path in (directory / "figures").iterdir()} == FIGURES
    (directory / "figures" / "error_float64.png").unlink()
    show(AccuracyExperiment, directory)
    assert capsys.readouterr().out == printed
    assert {path.name for path in (directory / "figures").iterdir()} == FIGURES


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("method=implicit", "experiment=accuracy takes no method: leave out method=…"),
        ("data=bars", "experiment=accuracy takes no data: leave out data=…"),
        ("device=cuda", "device must be cpu, not 'cuda'."),
        ("measurement.elements=9", "measurement.elements must be a whole number of at least 10, not 9."),
        ("measurement.rounds=0", "measurement.rounds must be a whole number of at least 1, not 0."),
        ("+measurement.round=1", "Unknown key of measurement 'round'. Did you mean rounds?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(compose: Compose, tmp_path: Path, override: str, message: str):
    with pytest.raises(UserError) as error:
        run(compose, tmp_path, override)
    assert str(error.value).startswith(message)
    assert not list(tmp_path.iterdir())


def test_the_experiment_and_its_figures_are_imported_without_torch():
    code = (
        "import sys; import irg_experiments.experiments.accuracy, irg_experiments.experiments.accuracy.figures as f;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
