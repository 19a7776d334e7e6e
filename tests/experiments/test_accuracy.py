import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from irg_experiments.errors import UserError
from irg_experiments.experiments import run_experiment
from irg_experiments.experiments.accuracy import TRUTH, Case, methods
from tests.truth import beta, gamma, student_t, von_mises

Compose = Callable[..., DictConfig]
ROWS = json.loads(TRUTH.read_text())
# worst relative error in float64 on the paper's protocol; Hill's normal approximation has seven digits
BASELINES = {"Gamma": 1e-11, "Beta": 1e-9, "Student-t": 1e-3, "von Mises": 1e-6}


@pytest.mark.parametrize("distribution", BASELINES)
def test_the_baseline_is_as_accurate_as_its_method_allows(distribution: str):
    case = Case(distribution, "", "float64", methods()[distribution]["automatic differentiation"])
    case.measure_errors("paper", torch.tensor(ROWS[distribution]["paper"], dtype=torch.float64))
    assert case.errors["paper"].max() < BASELINES[distribution]
    assert case.errors["paper"].median() < 1e-11


@pytest.mark.parametrize("distribution", BASELINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_method_is_near_the_truth_where_all_are(distribution: str, dtype: str):
    for method, derivative in methods()[distribution].items():
        case = Case(distribution, method, dtype, derivative)
        rows = torch.tensor(ROWS[distribution]["paper"], dtype=torch.float64)
        case.measure_errors("paper", rows[(rows[:, 0] > 0.5) & (rows[:, 0] < 20)])
        assert case.errors["paper"].median() < 1e-2, method


def test_the_shipped_truth_is_that_of_the_generators():
    a, z, derivative = ROWS["Gamma"]["paper"][70]
    assert float(gamma.sample_derivative(a, z) * z) == pytest.approx(derivative, rel=1e-15)
    a, b, z, derivative = ROWS["Beta"]["paper"][101]
    assert float(beta.truth(a, b, z)[0]) == pytest.approx(derivative, rel=1e-15)
    df, t, derivative = ROWS["Student-t"]["paper"][120]
    assert float(student_t.derivative(df, t)) == pytest.approx(derivative, rel=1e-15)
    kappa, z, derivative = ROWS["von Mises"]["paper"][120]
    assert von_mises.row(kappa, z)[2] == pytest.approx(derivative, rel=1e-15)


def test_a_single_method_is_refused(compose: Compose, tmp_path: Path):
    overrides = ["experiment=accuracy", "method=implicit", "budget=smoke", f"output={tmp_path}"]
    with pytest.raises(UserError, match="side by side"):
        run_experiment(compose(*overrides), overrides)
