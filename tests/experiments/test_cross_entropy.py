import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from irg_experiments.errors import UserError
from irg_experiments.estimators import ESTIMATORS, RSVI, Implicit
from irg_experiments.experiments import run_experiment
from irg_experiments.experiments.cross_entropy import Curve, one_sample_gradients
from irg_experiments.experiments.sweeps import Sweep, dirichlet_sweep, multinomial_counts, von_mises_sweep
from irg_experiments.implicit import special

Compose = Callable[..., DictConfig]
DIRICHLET = {"components": 100, "trials": 100, "prior": 1.0, "counts_seed": 0, "sweep": [1.01, 3.0]}
VON_MISES = {"loc": 0.5, "concentration": 10.0, "sweep": [0.1, 100.0]}


def sweeps() -> list[Sweep]:
    arguments: Any = (7, torch.float64, torch.device("cpu"))
    return [
        dirichlet_sweep(OmegaConf.create(DIRICHLET), *arguments),
        von_mises_sweep(OmegaConf.create(VON_MISES), *arguments),
    ]


def run(compose: Compose, tmp_path: Path, *overrides: str) -> dict[str, Any]:
    arguments = ["experiment=cross_entropy", "budget=smoke", "compile=off", f"output={tmp_path}", *overrides]
    return json.loads((run_experiment(compose(*arguments), arguments) / "record.json").read_text())


def test_the_counts_are_those_of_the_authors():
    counts = multinomial_counts(100, 100, 0)
    assert sum(counts) == 100
    assert counts[0] == 1  # the posterior's first concentration, printed as 2.0 in their notebook


@pytest.mark.parametrize("sweep", sweeps(), ids=lambda sweep: sweep.name)
def test_implicit_gradients_have_the_exact_mean_and_less_variance_than_rsvi(sweep: Sweep):
    implicit, rsvi = Curve(sweep, "implicit", Implicit(), 2000), Curve(sweep, "rsvi", RSVI(), 2000)
    implicit.add()
    rsvi.add()
    assert implicit.z_score().abs().max() < 5
    assert abs(implicit.pooled_z_score()) < 5
    assert implicit.variance().sum() < rsvi.variance().sum()


def test_exact_von_mises_gradient_by_integration():
    sweep = sweeps()[1]
    z = torch.linspace(-math.pi, math.pi, 4001, dtype=torch.float64).unsqueeze(-1)
    kappa = sweep.values.clone().requires_grad_()
    weight = (kappa * z.cos() - kappa).exp()
    mean = torch.trapezoid(weight * sweep.loss(z), dim=0) / torch.trapezoid(weight, dim=0)
    (gradient,) = torch.autograd.grad(mean.sum(), kappa)
    torch.testing.assert_close(gradient, sweep.exact, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("method", ["implicit", "rsvi", "score_function"])
def test_von_mises_variances_by_integration(method: str):
    """Each of these gradients is a function of the angle; 40,000 samples, within a tenth of the exact variance for κ ≤ 10."""
    sweep = von_mises_sweep(OmegaConf.create({**VON_MISES, "sweep": [0.1, 10.0]}), 5, torch.float64, torch.device("cpu"))
    kappa = sweep.values
    # the rule of rectangles converges exponentially fast on a circle
    z = (torch.arange(20_000, dtype=torch.float64) / 10_000 - 1).mul(math.pi).unsqueeze(-1).expand(-1, len(kappa)).contiguous()
    leaf = z.clone().requires_grad_()
    loss = sweep.loss(leaf)
    (slope,) = torch.autograd.grad(loss.sum(), leaf)
    score = z.cos() - torch.special.i1e(kappa) / torch.special.i0e(kappa)
    # the accepted proposal moves by dz/dκ = −sin(z)/R, R = √(1 + 4κ²), and leaves the rest to its correction term
    root = torch.sqrt(1 + 4 * kappa**2)
    gradient = {
        "implicit": lambda: slope * special.von_mises_sample_grad(kappa.expand_as(z).contiguous(), z),
        "score_function": lambda: loss * score,
        "rsvi": lambda: -slope * z.sin() / root + loss * (score + (kappa * z.sin() ** 2 - z.cos()) / root),
    }[method]().detach()
    weight = (kappa * (z.cos() - 1)).exp()
    weight /= weight.sum(0)
    mean = (weight * gradient).sum(0)
    torch.testing.assert_close(mean, sweep.exact, rtol=1e-9, atol=1e-11)
    curve = Curve(sweep, method, ESTIMATORS[method](), 40_000)
    curve.add()
    torch.testing.assert_close(curve.variance(), (weight * (gradient - mean) ** 2).sum(0), rtol=0.1, atol=0)


def test_statistics_of_a_curve_in_two_blocks():
    sweep = sweeps()[1]
    curve = Curve(sweep, "implicit", Implicit(), 30)
    torch.manual_seed(0)
    curve.add()
    curve.add()
    torch.manual_seed(0)
    gradients = torch.cat([one_sample_gradients(Implicit(), sweep, 30) for _ in range(2)])
    torch.testing.assert_close(curve.variance(), gradients.var(0))
    z = (gradients.mean(0) - sweep.exact) / (gradients.var(0) / 60).sqrt()
    torch.testing.assert_close(curve.z_score(), z)


def test_all_methods_leave_a_record_and_a_figure(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    record = run(compose, tmp_path)
    assert record["status"] == "done"
    assert record["method"] == "all"
    assert record["data"] is None
    assert {"implicit", "rsvi B=0", "rsvi B=20", "score_function", "generalized"} <= record["metrics"]["Dirichlet"].keys()
    assert {"implicit", "rsvi", "score_function", "measure_valued"} <= record["metrics"]["von Mises"].keys()
    (figure,) = tmp_path.rglob("variance.png")
    assert figure.parents[1].name.startswith("all-smoke-seed0-")
    assert "von Mises" in capsys.readouterr().out


def test_one_method_shows_what_it_can(compose: Compose, tmp_path: Path):
    assert run(compose, tmp_path, "method=measure_valued")["metrics"].keys() == {"von Mises"}
    assert run(compose, tmp_path, "method=rsvi", "method.augmentation=3")["metrics"]["Dirichlet"].keys() == {"rsvi B=3"}
    with pytest.raises(UserError, match="method=explicit cannot differentiate samples of Dirichlet or von Mises"):
        run(compose, tmp_path, "method=explicit")
