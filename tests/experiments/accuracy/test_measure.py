import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch

from irg_experiments.experiments.accuracy.measure import TRUTH, Case, Comparison, derivatives
from irg_experiments.experiments.accuracy.peers import gamma_peers, peer_versions
from irg_experiments.experiments.accuracy.results import BASELINE
from tests.truth import beta, gamma, student_t, von_mises

ROWS = json.loads(TRUTH.read_text())
# worst relative error in float64 on the paper's protocol; Hill's normal approximation has seven digits
BASELINES = {"Gamma": 1e-11, "Beta": 1e-9, "Student-t": 1e-3, "von Mises": 1e-6}


@pytest.mark.parametrize("distribution", BASELINES)
def test_the_baseline_is_as_accurate_as_its_method_allows(distribution: str):
    case = Case(distribution, "", "float64", derivatives()[distribution][BASELINE])
    case.measure_errors("paper", torch.tensor(ROWS[distribution]["paper"], dtype=torch.float64))
    assert case.errors["paper"].max() < BASELINES[distribution]
    assert case.errors["paper"].median() < 1e-11


@pytest.mark.parametrize("distribution", BASELINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_method_is_near_the_truth_where_all_are(distribution: str, dtype: str):
    for method, derivative in derivatives()[distribution].items():
        case = Case(distribution, method, dtype, derivative)
        rows = torch.tensor(ROWS[distribution]["paper"], dtype=torch.float64)
        case.measure_errors("paper", rows[(rows[:, 0] > 0.5) & (rows[:, 0] < 20)])
        assert case.errors["paper"].median() < 1e-2, method


def test_a_value_that_is_not_finite_has_the_error_one():
    case = Case("Gamma", "", "float64", lambda a, z: torch.tensor([torch.nan, torch.inf, 3.0]).double())
    case.measure_errors("paper", torch.tensor([[1.0, 1.0, 2.0]] * 3).double())
    assert case.errors["paper"].tolist() == [1.0, 1.0, 0.5]


def test_times_are_medians_over_rounds_without_the_warm_up():
    case = Case("Gamma", "", "float32", lambda a, z: z)
    arguments = case.converted(torch.ones(5, 2).unbind(-1))
    assert all(it.is_contiguous() and it.dtype == torch.float32 for it in arguments)
    for number in range(3):
        case.time_once(None, arguments, count=number > 0)
    assert len(case.seconds[None]) == 2
    case.seconds[1.0] = [3e-9, 1e-9, 2e-9]
    assert case.nanoseconds(1.0) == pytest.approx(2.0)


def test_a_comparison_covers_every_method_dtype_and_shape():
    from irg_experiments.experiments.accuracy.config import Measurement

    comparison = Comparison(Measurement(elements=10, rounds=1))
    comparison.cases = [case for case in comparison.cases if case.method == "implicit"]
    comparison.run()
    metrics, by_shape = comparison.metrics(), comparison.by_shape()
    assert list(metrics) == list(by_shape["float32"]) == list(by_shape["float64"]) == list(BASELINES)
    for distribution in BASELINES:
        for dtype, worst in (("float32", 1e-6), ("float64", 1e-13)):
            numbers, shapes = metrics[distribution]["implicit"][dtype], by_shape[dtype][distribution]["implicit"]
            assert max(numbers["paper_worst"], numbers["wide_worst"]) < worst
            assert len(shapes["shape"]) == len(shapes["error"]) == len(shapes["nanoseconds"]) == 6


def test_the_shipped_truth_is_that_of_the_generators():
    a, z, derivative = ROWS["Gamma"]["paper"][70]
    assert float(gamma.sample_derivative(a, z) * z) == pytest.approx(derivative, rel=1e-15)
    a, b, z, derivative = ROWS["Beta"]["paper"][101]
    assert float(beta.truth(a, b, z)[0]) == pytest.approx(derivative, rel=1e-15)
    df, t, derivative = ROWS["Student-t"]["paper"][120]
    assert float(student_t.derivative(df, t)) == pytest.approx(derivative, rel=1e-15)
    kappa, z, derivative = ROWS["von Mises"]["paper"][120]
    assert von_mises.row(kappa, z)[2] == pytest.approx(derivative, rel=1e-15)


def test_the_versions_of_installed_peers_are_told(monkeypatch: pytest.MonkeyPatch):
    for name in ("tensorflow", "jax"):
        module = ModuleType(name)
        module.__spec__, module.__version__ = ModuleSpec(name, None), f"1.2 of {name}"
        monkeypatch.setitem(sys.modules, name, module)
    assert peer_versions() == {"tensorflow": "1.2 of tensorflow", "jax": "1.2 of jax"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert peer_versions() == {}
    assert gamma_peers() == {}
