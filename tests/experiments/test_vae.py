import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from irg_experiments.config import choices
from irg_experiments.data.images import Images
from irg_experiments.errors import DivergedError, UserError
from irg_experiments.estimators import ESTIMATORS, MeasureValued
from irg_experiments.experiments import run_experiment
from irg_experiments.experiments.vae import able, unit_square
from irg_experiments.experiments.vae_scores import active_units, knn_accuracy, negative_log_likelihood
from irg_experiments.models.latents import make_latent
from irg_experiments.models.vae import VAE
from irg_experiments.training.metrics_log import read_metrics

Compose = Callable[..., DictConfig]
SMOKE = ("experiment=vae", "data=digits", "budget=smoke", "compile=off", "threads=1")


def run(compose: Compose, tmp_path: Path, *overrides: str) -> Path:
    arguments = [*SMOKE, f"output={tmp_path}", *overrides]
    return run_experiment(compose(*arguments), arguments)


def record_of(directory: Path) -> dict:
    return json.loads((directory / "record.json").read_text())


@pytest.mark.parametrize("latent", choices("latent"))
def test_every_latent_space_runs_and_shows_itself(compose: Compose, tmp_path: Path, latent: str):
    directory = run(compose, tmp_path, f"latent={latent}", "training.steps=20")
    record = record_of(directory)
    assert record["status"] == "done"
    assert 20 < record["metrics"]["test_nll"] < 60
    assert record["metrics"]["test_nll"] < record["metrics"]["test_negative_elbo"] + 1
    pictures = {path.name for path in (directory / "figures").iterdir()}
    assert {"reconstructions.png", "prior_samples.png", "learning_curve.png"} <= pictures
    assert "latent_space.png" in pictures or latent == "concrete"
    assert ("latent_space_3d.png" in pictures) == latent.startswith("von_mises")
    assert ("gradient_variance.png" in pictures) == (latent in ("von_mises", "von_mises_10"))


@pytest.mark.parametrize("method", ["explicit", "rsvi", "generalized", "score_function", "pathwise_omt"])
def test_every_method_runs_where_it_can_and_says_where_it_cannot(compose: Compose, tmp_path: Path, method: str):
    family = {"explicit": "normal", "rsvi": "von_mises"}.get(method, "beta")
    directory = run(compose, tmp_path, f"latent={family}", f"method={method}", "training.steps=20")
    assert record_of(directory)["status"] == "done"
    other = "von_mises" if method in ("explicit", "generalized", "pathwise_omt") else None
    if other is not None:
        with pytest.raises(UserError, match=r"Methods that can: .*implicit") as error:
            run(compose, tmp_path, f"latent={other}", f"method={method}")
        assert "\n" not in str(error.value)


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


def test_methods_agree_on_the_mean_gradient():
    """Of the bound in the encoder's last bias: 4,000 repeats a method against implicit's, |z| < 5."""
    torch.manual_seed(1)
    for family, options in (("gamma", {"concentration": 1.0, "rate": 1.0}), ("von_mises", {"concentration": 0.0})):
        vae = VAE(6, make_latent(family, 2, **options), hidden=(5, 4))
        x = (torch.rand(1, 6) < 0.5).float().expand(4000, -1)
        bias = vae.encoder[-1].bias
        # a bias of its own for each repeat makes all of them one backward pass
        own = torch.zeros(4000, len(bias), requires_grad=True)
        posterior = vae.latent.posterior
        vae.latent.posterior = lambda outputs, posterior=posterior, own=own: posterior(outputs + own)
        means, errors = {}, {}
        for name in able(vae.latent):
            bound = vae.bound(x, 1.0, ESTIMATORS[name]().expectation)
            (gradient,) = torch.autograd.grad(bound.sum(), own)
            means[name], errors[name] = gradient.double().mean(0), gradient.double().var(0) / len(gradient)
        assert len(means) >= 4
        for name in means:
            z = (means[name] - means["implicit"]) / (errors[name] + errors["implicit"]).sqrt().clamp(min=1e-12)
            if name not in ("implicit", "knowles", "pathwise_omt"):  # which are approximations
                assert z.abs().max() < 5, name


def test_measure_valued_is_left_out():
    latent = make_latent("normal", 2)
    assert "measure_valued" not in able(latent)
    assert isinstance(ESTIMATORS["measure_valued"](), MeasureValued)


def test_bad_input_is_told_in_one_line(compose: Compose, tmp_path: Path):
    for overrides, part in (
        (["latent.dim=0"], "latent.dim must be a whole number"),
        (["data=bars"], "Unknown set of images"),
        (["data=mnist", f"data.root={tmp_path / 'nowhere'}"], "data=digits"),
        (["training.annealing=slow"], "Unknown annealing"),
        (["gradient_variance.methods=[nonsense]"], "Methods that can"),
    ):
        with pytest.raises(UserError, match=part) as error:
            run(compose, tmp_path, *overrides)
        assert "\n" not in str(error.value)


def test_divergence_is_recorded(compose: Compose, tmp_path: Path):
    with pytest.raises(DivergedError):
        run(compose, tmp_path, "training.learning_rate=1e30")
    (path,) = tmp_path.rglob("record.json")
    assert json.loads(path.read_text())["status"] == "failed"


def test_the_best_state_is_scored_and_a_repetition_agrees(compose: Compose, tmp_path: Path):
    overrides = [
        "training.patience=1",
        "training.evaluate_every=5",
        "training.kl_warmup_steps=10",
        "training.learning_rate=0.05",
    ]
    directory = run(compose, tmp_path / "a", *overrides)
    first = record_of(directory)["metrics"]
    name = "validation_negative_elbo"
    rows = [row for row in read_metrics(directory / "metrics.jsonl") if name in row]
    assert 10 < first["best_step"] < first["last_step"]
    assert first[name] == min(row[name] for row in rows if row["step"] > 10)
    assert record_of(run(compose, tmp_path / "b", *overrides))["metrics"] == first


def test_unit_square_is_seen_from_above():
    square = unit_square(2)
    assert square[0, 0].tolist() == [0.25, 0.75]
    assert square[1, 1].tolist() == [0.75, 0.25]


def small_model() -> VAE:
    return VAE(8, make_latent("normal", 2), hidden=(4, 4))


def test_scores_do_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch):
    model, x = small_model(), (torch.rand(30, 8) < 0.5).float()
    with torch.no_grad():
        whole = negative_log_likelihood(model, x, 4000)
        monkeypatch.setattr("irg_experiments.experiments.vae_scores.SAMPLE_BYTES", 4000 * 8 * 4 * 7)
        assert abs(negative_log_likelihood(model, x, 4000) - whole) < 0.01


def test_units_that_never_move_are_not_active():
    model, x = small_model(), (torch.rand(50, 8) < 0.5).float()
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        assert active_units(model, x) == 0
        model.encoder[-1].weight[0] = 5.0
        model.encoder[-1].bias.zero_()
        assert active_units(model, x) == 1


def test_neighbours_of_separated_classes_vote_right():
    model = small_model()
    pixels = torch.zeros(40, 8, dtype=torch.uint8)
    pixels[20:, :4] = 255
    images = Images(pixels, torch.arange(40) // 20)
    with torch.no_grad():
        assert knn_accuracy(images, images, model, num_labels=30, neighbours=5, draws=2) == 1.0
        shuffled = Images(pixels, torch.zeros(40, dtype=torch.long))
        assert knn_accuracy(shuffled, images, model, num_labels=30, neighbours=5, draws=2) == 0.5


@pytest.mark.data
def test_mnist(compose: Compose, tmp_path: Path, data_root: Path):
    overrides = ("data=mnist", f"data.root={data_root}", "training.steps=20", "evaluation.nll_samples=2")
    record = record_of(run(compose, tmp_path, *overrides))
    assert 150 < record["metrics"]["test_nll"] < 560
