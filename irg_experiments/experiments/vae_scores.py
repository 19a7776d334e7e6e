"""What a trained VAE is judged by: negative log-likelihood, the bound's terms, active units, nearest neighbours."""

from typing import Protocol

import torch
from torch import Tensor

from irg_experiments.data.images import Images
from irg_experiments.models.vae import VAE

# images in one batch without samples, and bytes of one batch of decoded images with samples: few, as the cache holds them
BATCH = 1000
SAMPLE_BYTES = 1 << 22
# a unit is active if its posterior mean varies over the images by more than this share of the prior's variance; for the
# standard normal prior this is the rule of Burda et al. (2016)
ACTIVE = 0.01


class Settings(Protocol):
    """The section ``evaluation`` of the config.

    Attributes:
        nll_samples: of the importance-weighted likelihood.
        knn_labels, knn_neighbours, knn_draws: see ``knn_accuracy``.
    """

    nll_samples: int
    knn_labels: list[int]
    knn_neighbours: int
    knn_draws: int


def bits(images: Images) -> Tensor:
    """Images that were binarised before, as floats 0 and 1."""
    return (images.pixels > 0).float()


def bound_terms(model: VAE, x: Tensor) -> dict[str, float]:
    """Means over the images in nats, by one sample each: −ELBO, its two parts."""
    parts = [model.elbo(batch) for batch in x.split(BATCH)]
    log_likelihood, kl = (torch.cat(part).double().mean().item() for part in zip(*parts, strict=True))
    return {"negative_elbo": kl - log_likelihood, "kl": kl, "reconstruction": -log_likelihood}


def negative_log_likelihood(model: VAE, x: Tensor, num_samples: int) -> float:
    """−log p(x) in nats, the mean over the images, by importance weighting (see ``VAE.log_evidence``)."""
    batch = max(SAMPLE_BYTES // (num_samples * x.shape[1] * x.element_size()), 1)
    return -torch.cat([model.log_evidence(images, num_samples) for images in x.split(batch)]).double().mean().item()


def active_units(model: VAE, x: Tensor) -> int:
    """How many units have an E_q[code] whose variance over the images, numbers summed, is above ``ACTIVE`` of the prior's."""
    units = torch.cat([model.latent.units(model.posterior(batch)) for batch in x.split(BATCH)])
    return int((units.var(0).sum(-1) > ACTIVE * model.latent.prior_variance()).sum())


def mean_codes(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """The latent mean of each image, and what the decoder gets for it."""
    means = torch.cat([model.latent.mean(model.posterior(batch)) for batch in x.split(BATCH)])
    return means, model.latent.code(means)


def knn_accuracy(train: Images, test: Images, model: VAE, num_labels: int, neighbours: int, draws: int) -> float:
    """The share of test images whose class most of the nearest labelled training images share, by their codes.

    Davidson et al. (2018) label 100, 600 and 1,000 training images at random; the mean over several draws is returned.

    Args:
        train, test: images that were binarised before, with their labels.
        model: its latent means, as the decoder gets them, are compared by Euclidean distance.
        num_labels: how many training images have a label.
        neighbours: how many nearest ones vote.
        draws: how often other images are labelled, from a seed of its own.
    """
    assert train.labels is not None
    assert test.labels is not None
    generator = torch.Generator().manual_seed(num_labels)
    _, test_codes = mean_codes(model, bits(test))
    accuracies = []
    for _ in range(draws):
        chosen = torch.randperm(len(train), generator=generator)[:num_labels].to(train.pixels.device)
        _, codes = mean_codes(model, bits(train.select(chosen)))
        nearest = torch.cdist(test_codes, codes).topk(min(neighbours, len(chosen)), largest=False).indices
        votes = train.labels[chosen][nearest]
        accuracies.append((votes.mode(-1).values == test.labels).double().mean())
    return torch.stack(accuracies).mean().item()


def scores(model: VAE, train: Images, test: Images, settings: Settings) -> dict[str, float]:
    """All of them on the test images, the most telling first; those that need labels only where there are labels."""
    x = bits(test)
    with torch.no_grad():
        found = {"nll": negative_log_likelihood(model, x, settings.nll_samples), **bound_terms(model, x)}
        found["active_units"] = active_units(model, x)
        if train.labels is not None and test.labels is not None:
            for number in settings.knn_labels:
                accuracy = knn_accuracy(train, test, model, number, settings.knn_neighbours, settings.knn_draws)
                found[f"knn_accuracy_{number}"] = accuracy
    return {f"test_{name}": value for name, value in found.items()}
