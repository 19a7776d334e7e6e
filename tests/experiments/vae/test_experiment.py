import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from irg_experiments.config.components import Component, build
from irg_experiments.config.tree import ConfigTree
from irg_experiments.errors import DivergedError, UserError
from irg_experiments.estimators import Estimator
from irg_experiments.experiments.choices import methods_for
from irg_experiments.experiments.gradient_variance import VARIANCE
from irg_experiments.experiments.runner import run_experiment, show
from irg_experiments.experiments.vae import VAEExperiment
from irg_experiments.experiments.vae.task import VAETask
from irg_experiments.models.latents import GammaLatent, NormalLatent, VonMisesLatent
from irg_experiments.models.vae import VAE
from irg_experiments.results.arrays import read_arrays
from irg_experiments.training.metrics_log import read_metrics
from irg_experiments.training.optimizer import Adam
from tests.command_line import ROOT
from tests.statistics import assert_same_mean, seed

Compose = Callable[..., DictConfig]
TREE = ConfigTree()
SMOKE = ("experiment=vae", "data=digits", "budget=smoke", "compile=off", "threads=1", "evaluation.knn_draws=2")
SHORT = ("training.steps=20", "training.kl_warmup_steps=5", "gradient_variance.repeats=3")


def run(compose: Compose, tmp_path: Path, *overrides: str) -> Path:
    arguments = [*SMOKE, f"output={tmp_path}", *overrides]
    return run_experiment(compose(*arguments), arguments)


def record_of(directory: Path) -> dict:
    return json.loads((directory / "record.json").read_text())


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a small run."""
    monkeypatch.setattr("irg_experiments.experiments.runner.draw", lambda *_: [])


def estimator(name: str) -> Estimator:
    return build(Component(**TREE.load("method", name)), "method")


@pytest.mark.parametrize("latent", TREE.choices("latent"))
def test_every_latent_space_runs_and_is_shown(compose: Compose, tmp_path: Path, latent: str):
    directory = run(compose, tmp_path, f"latent={latent}", *SHORT)
    record = record_of(directory)
    assert record["status"] == "done"
    assert 20 < record["metrics"]["test_nll"] < 60
    assert record["metrics"]["test_nll"] < record["metrics"]["test_negative_elbo"]
    pictures = {path.name for path in (directory / "figures").iterdir()}
    assert {"reconstructions.png", "prior_samples.png", "learning_curve.png"} <= pictures
    assert pictures >= {"latent_space.png", "manifold.png"} or latent in ("concrete", "product")
    assert ("latent_space_3d.png" in pictures) == latent.startswith("von_mises")
    assert ("gradient_variance.png" in pictures) == (latent in ("von_mises", "von_mises_10"))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("latent", ["normal", "gamma", "von_mises"])
@pytest.mark.parametrize("objective", TREE.choices("objective"))
def test_every_objective_runs_with_its_recommendations(compose: Compose, tmp_path: Path, objective: str, latent: str):
    record = record_of(run(compose, tmp_path, f"latent={latent}", f"objective={objective}", *SHORT))
    assert record["status"] == "done"
    metrics, recommended = record["metrics"], TREE.load("objective", objective).get("recommended", {})
    assert record["config"]["training"]["num_samples"] == recommended.get("num_samples", 1)
    if objective in ("iwae", "dreg"):
        assert metrics["test_nll"] < metrics["test_negative_bound"] < metrics["test_negative_elbo"]
        assert "validation_negative_bound" in metrics
    else:
        assert "test_negative_bound" not in metrics
    if objective != "elbo":
        assert [name for name in metrics if name.startswith(VARIANCE)] == [f"{VARIANCE}implicit"]
        assert metrics[f"{VARIANCE}implicit"] > 0


@pytest.mark.usefixtures("undrawn")
def test_a_warm_up_that_never_ends_is_told(compose: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    record_of(run(compose, tmp_path, *SHORT))
    assert "kl_warmup_steps" not in caplog.text
    record_of(run(compose, tmp_path, *SHORT, "training.kl_warmup_steps=20"))
    assert "training.kl_warmup_steps (20) is not below training.steps (20): " in caplog.text
    assert "Add training.kl_warmup_steps=3." in caplog.text


@pytest.mark.usefixtures("undrawn")
def test_objectives_are_compared_at_the_same_weights(compose: Compose, tmp_path: Path):
    names = ["elbo", "stl", "iwae", "dreg"]
    compared = ("gradient_variance.methods=[implicit]", f"gradient_variance.objectives=[{','.join(names[1:])}]")
    few = ("training.steps=20", "training.num_samples=5", "training.learning_rate=1e-30", "gradient_variance.repeats=30")
    record = record_of(run(compose, tmp_path, "latent=von_mises", *compared, *few))
    found = {name: value for name, value in record["metrics"].items() if name.startswith(VARIANCE)}
    assert list(found) == [f"{VARIANCE}implicit", *(f"{VARIANCE}implicit_{name}" for name in names[1:])]
    assert len(set(found.values())) == 4
    own = record_of(run(compose, tmp_path, "latent=von_mises", "objective=stl", *compared[:1], *few))["metrics"]
    # the same weights and draws
    assert own[f"{VARIANCE}implicit"] == found[f"{VARIANCE}implicit_stl"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("method", ["explicit", "rsvi", "generalized", "score_function", "pathwise_omt"])
def test_every_method_runs_where_it_can_and_is_refused_where_it_cannot(compose: Compose, tmp_path: Path, method: str):
    latent = {"explicit": "normal", "rsvi": "von_mises"}.get(method, "beta")
    directory = run(compose, tmp_path, f"latent={latent}", f"method={method}", *SHORT)
    assert record_of(directory)["status"] == "done"
    if method in ("explicit", "generalized", "pathwise_omt"):
        with pytest.raises(UserError, match=r"Methods that can: .*implicit") as error:
            run(compose, tmp_path, "latent=von_mises", f"method={method}")
        assert "\n" not in str(error.value)


def test_without_validation_images_the_last_state_is_scored(compose: Compose, tmp_path: Path):
    directory = run(compose, tmp_path, "data.validation=0", "training.patience=1", "training.evaluate_every=3", *SHORT)
    metrics = record_of(directory)["metrics"]
    assert (metrics["best_step"], metrics["last_step"]) == (20, 20)
    rows = read_metrics(directory / "metrics.jsonl")
    assert [row["step"] for row in rows if "training_negative_elbo" in row] == [3, 6, 9, 12, 15, 18, 20]
    assert not any("validation_negative_elbo" in row for row in rows)
    assert (directory / "figures" / "learning_curve.png").exists()
    assert "training_negative_elbo" in metrics


@pytest.mark.usefixtures("undrawn")
def test_the_likelihood_is_also_estimated_from_more_samples(compose: Compose, tmp_path: Path):
    samples = ("evaluation.nll_samples=1", "evaluation.nll_samples_more=300")
    metrics = record_of(run(compose, tmp_path, *samples, *SHORT))["metrics"]
    assert metrics["test_nll_300"] < metrics["test_nll"]


@pytest.mark.usefixtures("undrawn")
def test_precision_is_that_of_training_alone_and_refused_where_there_is_none(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: dict[str, set[str]] = {"training_step": set(), "evaluate": set(), "scores": set()}
    monkeypatch.setattr("irg_experiments.training.precision._reduces_products", lambda *_: True)
    real_step = Adam.update

    def step(self: Adam, *arguments: Any) -> None:
        seen["training_step"].add(torch.get_float32_matmul_precision())
        real_step(self, *arguments)

    monkeypatch.setattr(Adam, "update", step)
    for name in ("evaluate", "scores"):
        real = getattr(VAETask, name)

        def watched(self: VAETask, *arguments: Any, real: Any = real, name: str = name) -> Any:
            seen[name].add(torch.get_float32_matmul_precision())
            return real(self, *arguments)

        monkeypatch.setattr(VAETask, name, watched)
    run(compose, tmp_path, "precision=medium", *SHORT)
    assert seen == {"training_step": {"medium"}, "evaluate": {"highest"}, "scores": {"highest"}}
    monkeypatch.setattr("irg_experiments.training.precision._reduces_products", lambda *_: False)
    with pytest.raises(UserError, match="use precision=highest"):
        run(compose, tmp_path, "precision=high", *SHORT)


@pytest.mark.usefixtures("undrawn")
def test_the_label_has_the_options_that_count_for_the_latent_space(compose: Compose, tmp_path: Path):
    settings = ("method=rsvi", "method.augmentation=5", "training.steps=1", "training.kl_warmup_steps=0")
    for latent, label in (("gamma", "RSVI, B = 5"), ("von_mises", "RSVI")):
        directory = run(compose, tmp_path, f"latent={latent}", "gradient_variance.methods=[]", *settings)
        assert record_of(directory)["method_label"] == label


@pytest.mark.usefixtures("undrawn")
def test_two_evaluations_of_the_same_weights_share_the_draws_of_the_bound_but_not_of_the_variances(
    compose: Compose, tmp_path: Path
):
    settings = (
        "training.learning_rate=1e-30",
        "training.steps=20",
        "training.evaluate_every=10",
        "gradient_variance.repeats=3",
    )
    directory = run(compose, tmp_path, "latent=von_mises", *settings)
    first, second = (row for row in read_metrics(directory / "metrics.jsonl") if "validation_negative_elbo" in row)
    different = {name for name in first if first[name] != second[name]}
    assert different >= {f"gradient_variance_{method}" for method in ("implicit", "rsvi", "score_function")}
    assert not any(name.startswith("validation") for name in different)


@pytest.mark.usefixtures("undrawn")
def test_variants_of_a_method_are_compared_under_their_options(compose: Compose, tmp_path: Path):
    directory = run(compose, tmp_path, "latent=gamma", "gradient_variance.methods=[rsvi,{name: rsvi, augmentation: 9}]", *SHORT)
    metrics = record_of(directory)["metrics"]
    assert [name for name in metrics if name.startswith(VARIANCE)] == [f"{VARIANCE}rsvi", f"{VARIANCE}rsvi_augmentation_9"]
    assert metrics[f"{VARIANCE}rsvi_augmentation_9"] != metrics[f"{VARIANCE}rsvi"]
    assert read_arrays(directory / "arrays.npz")["variance_labels"].tolist() == ["RSVI, B = 1", "RSVI, B = 9"]


def test_methods_agree_on_the_mean_gradient():
    """Of the bound in the encoder's last bias: 4,000 repeats per method against implicit's."""
    seed(1)
    for latent in (GammaLatent(2, concentration=1.0, rate=1.0), VonMisesLatent(2, concentration=0.0)):
        vae = VAE(6, latent, hidden=[5, 4])
        x = (torch.rand(1, 6) < 0.5).float().expand(4000, -1)
        bias = vae.encoder[-1].bias
        # a bias of its own for each repeat makes all of them one backward pass
        own = torch.zeros(4000, len(bias), requires_grad=True)
        posterior = latent.posterior
        latent.posterior = lambda outputs, posterior=posterior, own=own: posterior(outputs + own)
        gradients = {}
        for name in methods_for(latent.family, TREE, elementwise=False):
            bound = vae.bound(x, 1.0, estimator(name).expectation)
            (gradients[name],) = torch.autograd.grad(bound.sum(), own)
        assert len(gradients) >= 4
        for name in sorted(set(gradients) - {"implicit", "knowles", "pathwise_omt"}):  # the last two are approximations
            assert_same_mean(gradients[name], gradients["implicit"], name)


def test_measure_valued_is_left_out():
    # it would take a pass through the decoder for each coordinate of each code
    assert "measure_valued" in methods_for(NormalLatent.family, TREE)
    assert "measure_valued" not in methods_for(NormalLatent.family, TREE, elementwise=False)


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["latent.dim=0"], "latent.dim must be a whole number"),
        (["latent.dim=true"], "latent.dim must be a whole number"),
        (["latent=gamma", "latent.concentration=abc"], "latent.concentration must be"),
        (["+latent.foo=1"], "Unknown key 'latent.foo'|Unknown key of latent 'foo'"),
        (["~latent.dim"], "latent.dim is missing"),
        (["latent._target_=irg_experiments.models.vae.VAE"], "latent"),
        (["latent._target_=pathlib.Path", "~latent.dim", "+latent.dim=1"], "latent"),
        (["data=bars"], "experiment=vae takes images, not data=bars"),
        (["model=lda", "model.topics=5"], "experiment=vae takes a VAE, not model=lda"),
        (["data=mnist", "data.root=nowhere/at/all"], "data=digits"),
        (["method=measure_valued"], "Methods that can: (?!.*measure_valued)"),
        (["training.annealing=slow"], "training.annealing must be cosine or none, not 'slow'"),
        (["training.annealing=null"], "training.annealing must be cosine or none, not null"),
        (["training.patience=0"], "training.patience must be a whole number of at least 1"),
        (["training.batch_size=100000"], "training.batch_size must be at most 1197"),
        (["evaluation.knn_labels=[100,100000]"], "evaluation.knn_labels must be at most 1197"),
        (["evaluation.knn_labels=[0]"], "evaluation.knn_labels must be a list of whole numbers"),
        (["evaluation.knn_labels=abc"], "evaluation.knn_labels must be a list of whole numbers"),
        (["evaluation.knn_labels=5"], "evaluation.knn_labels must be a list of whole numbers"),
        (["gradient_variance.repeats=1"], "gradient_variance.repeats must be a whole number from 2"),
        (["gradient_variance.methods=implicit"], "gradient_variance.methods must be a list of methods"),
        (["gradient_variance.methods=[nonsense]"], "Unknown method 'nonsense'"),
        (["gradient_variance.methods=[knowles]"], r"gradient_variance.methods=knowles .*Methods that can: .*implicit"),
        (["gradient_variance.methods=[measure_valued]"], "gradient_variance.methods=measure_valued .*Methods that can"),
        (["gradient_variance.methods=[{name: score_function, decay: 2}]"], r"gradient_variance.methods\[0\].decay must be"),
    ],
)
def test_bad_input_is_refused_in_one_line(compose: Compose, tmp_path: Path, overrides: list[str], part: str):
    with pytest.raises(UserError, match=part) as error:
        run(compose, tmp_path, *overrides)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.usefixtures("undrawn")
def test_divergence_is_recorded(compose: Compose, tmp_path: Path):
    with pytest.raises(DivergedError):
        run(compose, tmp_path, "training.learning_rate=1e30")
    (path,) = tmp_path.rglob("record.json")
    assert json.loads(path.read_text())["status"] == "failed"


@pytest.mark.usefixtures("undrawn")
def test_the_best_state_is_scored_and_a_repetition_agrees(compose: Compose, tmp_path: Path):
    overrides = [
        "training.patience=1",
        "training.evaluate_every=5",
        "training.kl_warmup_steps=10",
        "training.learning_rate=0.2",
    ]
    directory = run(compose, tmp_path / "a", *overrides)
    first = record_of(directory)["metrics"]
    name = "validation_negative_elbo"
    rows = [row for row in read_metrics(directory / "metrics.jsonl") if name in row]
    assert 10 < first["best_step"] < first["last_step"]
    assert first[name] == min(row[name] for row in rows if row["step"] > 10)
    assert record_of(run(compose, tmp_path / "b", *overrides))["metrics"] == first


@pytest.mark.usefixtures("undrawn")
def test_a_score_that_is_not_finite_is_null_in_the_record_and_named_in_the_table(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("irg_experiments.experiments.vae.scores.negative_log_likelihood", lambda *_: math.inf)
    record = record_of(run(compose, tmp_path, *SHORT))
    assert record["status"] == "done"
    assert record["metrics"]["test_nll"] is None
    assert record["non_finite"] == {"test_nll": "inf"}
    assert "not finite" in capsys.readouterr().out
    assert "not finite" in VAEExperiment.tables([record])[0].rows[0]


def test_pictures_that_cannot_be_made_do_not_cost_the_metrics(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object) -> None:
        raise RuntimeError("no such picture")

    monkeypatch.setattr("irg_experiments.models.latents.Plane.quantile", fail)
    directory = run(compose, tmp_path, *SHORT)
    assert record_of(directory)["status"] == "done"
    assert "could not be saved (RuntimeError: no such picture)" in caplog.text
    assert [path.name for path in (directory / "figures").iterdir()] == ["learning_curve.png"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run on the torus, which has every picture."""
    import hydra

    from irg_experiments.config.composition import hydra_session

    arguments = [*SMOKE, *SHORT, "latent=von_mises", f"output={tmp_path_factory.mktemp('runs')}"]
    with hydra_session():
        config = hydra.compose("config", arguments)
    return run_experiment(config, arguments)


def test_a_finished_run_is_shown_from_its_files(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(finished, directory := tmp_path / "moved")
    before = {path.name for path in (directory / "figures").iterdir()}
    shutil.rmtree(directory / "figures")
    (directory / "checkpoint.pt").unlink()
    shown = []
    for _ in range(2):
        show(VAEExperiment, directory)
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "test NLL, 20 samples, nats" in shown[0]
    assert {Path(line).name for line in shown[0].splitlines() if line.endswith(".png")} == before
    assert {path.name for path in (directory / "figures").iterdir()} == before


def test_tables_and_figures_need_no_torch(finished: Path, tmp_path: Path):
    shutil.copytree(finished, directory := tmp_path / "moved")
    script = (
        "import sys\n"
        "from irg_experiments.results.report import main\n"
        f"main([{str(directory)!r}, '--figures'])\n"
        "assert 'torch' not in sys.modules\n"
    )
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert output.returncode == 0, output.stderr
    assert "latent_space_3d.png" in output.stdout
    assert "could not be drawn" not in output.stderr


@pytest.mark.data
def test_mnist(compose: Compose, tmp_path: Path, data_root: Path):
    overrides = ("data=mnist", f"data.root={data_root}", "training.steps=20", "evaluation.nll_samples=2")
    record = record_of(run(compose, tmp_path, *overrides))
    assert 150 < record["metrics"]["test_nll"] < 560
