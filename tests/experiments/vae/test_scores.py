import math

import pytest
import torch

from irg_experiments.data import Images
from irg_experiments.experiments.vae.pictures import reconstructions, unit_square
from irg_experiments.experiments.vae.scores import active_units, clipped_shares, knn_accuracy, negative_log_likelihood
from irg_experiments.models.latents import NormalLatent
from irg_experiments.models.vae import VAE


def small_model() -> VAE:
    return VAE(8, NormalLatent(2), hidden=[4, 4])


def test_scores_do_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch):
    model, x = small_model(), (torch.rand(30, 8) < 0.5).float()
    sizes = []

    def log_evidence(images: torch.Tensor, num_samples: int) -> torch.Tensor:
        sizes.append((len(images), num_samples))
        return images.sum(-1)

    monkeypatch.setattr(model, "log_evidence", log_evidence)
    monkeypatch.setattr("irg_experiments.experiments.vae.scores.SAMPLE_BYTES", 4000 * 8 * 4 * 7)
    assert negative_log_likelihood(model, x, 4000) == pytest.approx(-x.sum(-1).mean().item())
    assert sizes == [(7, 4000)] * 4 + [(2, 4000)]


def test_many_samples_of_an_image_are_weighted_in_parts(monkeypatch: pytest.MonkeyPatch):
    """The logarithm of the mean weight over all samples, here 1 to 7."""
    model, x, drawn = small_model(), torch.zeros(5, 8), []

    def log_evidence(images: torch.Tensor, num_samples: int) -> torch.Tensor:
        first = sum(drawn) % 7
        drawn.append(num_samples)
        weights = torch.arange(first + 1.0, first + num_samples + 1)
        return weights.mean().log().expand(len(images))

    monkeypatch.setattr(model, "log_evidence", log_evidence)
    monkeypatch.setattr("irg_experiments.experiments.vae.scores.SAMPLE_BYTES", 3 * 8 * 4)
    assert negative_log_likelihood(model, x, 7) == pytest.approx(-math.log(4))
    assert drawn == [3, 3, 1] * 5


def test_units_that_never_move_are_not_active():
    model, x = small_model(), (torch.rand(50, 8) < 0.5).float()
    with torch.no_grad():
        for layer in (model.encoder[0], model.encoder[2]):
            layer.weight.fill_(1.0)  # no ReLU is at zero for all images
        model.encoder[-1].weight.zero_()
        assert active_units(model, x) == 0
        model.encoder[-1].weight[0] = 5.0
        model.encoder[-1].bias.zero_()
        assert active_units(model, x) == 1


def test_neighbours_of_separated_classes_vote_right():
    model = small_model()
    with torch.no_grad():
        for layer in (model.encoder[0], model.encoder[2], model.encoder[-1]):
            layer.weight.fill_(1.0)  # the sum of the pixels, which differs between the classes
    pixels = torch.zeros(40, 8, dtype=torch.uint8)
    pixels[20:, :4] = 255
    images = Images(pixels, torch.arange(40) // 20)
    with torch.no_grad():
        assert knn_accuracy(images, images, model, num_labels=30, neighbours=5, draws=2) == 1.0
        all_zero = Images(pixels, torch.zeros(40, dtype=torch.long))
        assert knn_accuracy(all_zero, images, model, num_labels=30, neighbours=5, draws=2) == 0.5


def test_unit_square_is_seen_from_above():
    square = unit_square(2)
    assert square[0, 0].tolist() == [0.25, 0.75]
    assert square[1, 1].tolist() == [0.75, 0.25]


@pytest.mark.parametrize(("images", "columns"), [(30, 10), (20, 10), (7, 3)])
def test_reconstructions_are_below_their_images(images: int, columns: int):
    x = (torch.rand(images, 8) < 0.5).float()
    with torch.no_grad():
        rows = reconstructions(small_model(), x)
    assert rows.shape == (4, columns, 8)
    assert torch.equal(rows[0], x[:columns])
    assert torch.equal(rows[2], x[columns : 2 * columns])


def test_the_shares_of_clipped_parameters_are_those_of_the_worst_kind(monkeypatch: pytest.MonkeyPatch):
    """Precisions for some images, none of the locations, whatever the batches."""
    model, x = small_model(), torch.zeros(30, 8)
    x[:6] = 1
    with torch.no_grad():
        for layer in (model.encoder[0], model.encoder[2]):
            layer.weight.fill_(1.0)
        model.encoder[-1].weight.zero_()
        model.encoder[-1].weight[2] = 1e4  # the first scale
        model.encoder[-1].weight[3] = -1e4  # the second
        model.encoder[-1].bias[3] = -1e4
        for batch in (1000, 7):
            monkeypatch.setattr("irg_experiments.experiments.vae.scores.BATCH", batch)
            shares = clipped_shares(model, x)
            assert shares == {"least": pytest.approx(0.5), "most": pytest.approx(0.1)}
