import json
import logging
import math
from functools import cache

import pytest
import torch

from irg_experiments.experiments.accuracy import peers
from irg_experiments.experiments.accuracy.measure import TRUTH, Case, Comparison, Derivative, derivatives
from irg_experiments.experiments.accuracy.peers import Peer, installed_peers
from irg_experiments.experiments.accuracy.results import BASELINE
from tests.truth import beta, gamma, student_t, von_mises

ROWS = json.loads(TRUTH.read_text())
# worst relative error in float64 on the paper's protocol; Hill's normal approximation has seven digits
BASELINES = {"Gamma": 1e-11, "Beta": 1e-9, "Student-t": 1e-12, "von Mises": 2.5e-7}


@cache
def every_method() -> dict[str, dict[str, Derivative]]:
    return derivatives(installed_peers())


@pytest.mark.parametrize("distribution", BASELINES)
def test_the_baseline_is_as_accurate_as_its_method_allows(distribution: str):
    case = Case(distribution, "", "float64", derivatives()[distribution][BASELINE])
    case.measure_errors("paper", torch.tensor(ROWS[distribution]["paper"], dtype=torch.float64))
    assert case.errors["paper"].max() < BASELINES[distribution]
    assert case.errors["paper"].median() < 1e-11


@pytest.mark.parametrize("distribution", BASELINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_method_is_near_the_truth_where_all_are(distribution: str, dtype: str):
    for method, derivative in every_method()[distribution].items():
        case = Case(distribution, method, dtype, derivative)
        rows = torch.tensor(ROWS[distribution]["paper"], dtype=torch.float64)
        case.measure_errors("paper", rows[(rows[:, 0] > 0.5) & (rows[:, 0] < 20)])
        assert case.errors["paper"].median() < 1e-2, method


@pytest.mark.parametrize("kind", ["paper", "wide"])
@pytest.mark.parametrize(("dtype", "worst"), [("float32", 5e-5), ("float64", 1e-12)])
def test_the_baseline_of_student_t_does_not_cancel(kind: str, dtype: str, worst: float):
    case = Case("Student-t", "", dtype, derivatives()["Student-t"][BASELINE])
    case.measure_errors(kind, torch.tensor(ROWS["Student-t"][kind], dtype=torch.float64))
    assert case.errors[kind].max() < worst


@pytest.mark.parametrize(("dtype", "worst"), [("float32", 1e-3), ("float64", 1e-11)])
def test_the_baseline_of_the_gamma_converges_over_the_wide_range(dtype: str, worst: float):
    case = Case("Gamma", "", dtype, derivatives()["Gamma"][BASELINE])
    case.measure_errors("wide", torch.tensor(ROWS["Gamma"]["wide"], dtype=torch.float64))
    assert case.errors["wide"].max() < worst


def test_values_that_are_not_finite_are_counted_and_have_no_error():
    case = Case("Gamma", "", "float64", lambda a, z: torch.tensor([torch.nan, torch.inf, 3.0]).double())
    case.measure_errors("paper", torch.tensor([[1.0, 1.0, 2.0]] * 3).double())
    case.seconds[None] = [1.0]
    metrics = case.metrics()
    assert [metrics[f"paper_{name}"] for name in ("mean", "median", "worst", "not_finite")] == [0.5, 0.5, 0.5, 0.667]
    case.errors["paper"] = torch.full((3,), torch.nan)
    assert math.isnan(case.metrics()["paper_worst"])


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


def test_a_peer_joins_the_distributions_that_it_has_a_derivative_of():
    methods = derivatives([Peer("other", {}, {"Beta": lambda a, b, z: z})])
    assert [name for name, of_one in methods.items() if "other" in of_one] == ["Beta"]


def test_a_missing_peer_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("tf_keras", "jax") else True)
    with caplog.at_level(logging.INFO):
        assert installed_peers() == []
    assert caplog.messages == [
        "Without TensorFlow Probability: pip install -e '.[peers]' installs tf_keras.",
        "Without JAX: pip install -e '.[peers]' installs jax.",
    ]


def test_a_peer_that_cannot_be_imported_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    def broken() -> dict[str, Derivative]:
        raise ImportError("This version\n\nneeds another one. " + 200 * "More. ")

    monkeypatch.setattr(peers, "PEERS", {"other": (("json",), broken)})
    assert installed_peers() == []
    (message,) = caplog.messages
    assert message.startswith("Without other, which cannot be imported (ImportError: This version needs another one. More.")
    assert len(message) < 300
    assert "\n" not in message


def test_a_peer_has_the_versions_of_its_modules(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "PEERS", {"other": (("json",), dict)})
    (peer,) = installed_peers()
    assert (peer.label, peer.versions, peer.derivatives) == ("other", {"json": json.__version__}, {})
