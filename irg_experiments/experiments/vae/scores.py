"""Scores of a trained VAE: negative log-likelihood, terms of the bound, active units, nearest-neighbour accuracy."""

import torch
from torch import Tensor

from irg_experiments.data import Images
from irg_experiments.experiments.vae.config import Evaluation
from irg_experiments.models.common import sample_mean
from irg_experiments.models.objectives import Objective
from irg_experiments.models.vae import VAE

# images per batch without samples, and most bytes of decoded images per batch with samples: more do not fit the cache, and
# memory of that size comes anew from the system for every batch
BATCH = 1000
SAMPLE_BYTES = 1 << 22
# a unit is active if its posterior mean varies over the images by more than this share of the prior's variance; for the
# standard normal prior this is the rule of Burda et al. (2016)
ACTIVE = 0.01


def bits(images: Images) -> Tensor:
    """Binarised images as floats 0 and 1."""
    return (images.pixels > 0).float()


def bound_terms(model: VAE, x: Tensor) -> dict[str, float]:
    """Means over the images, in nats, of −ELBO and of its two parts, from one code per image."""
    parts = [model.elbo(batch) for batch in x.split(BATCH)]
    log_likelihood, kl = (torch.cat(part).double().mean().item() for part in zip(*parts, strict=True))
    return {"negative_elbo": kl - log_likelihood, "kl": kl, "reconstruction": -log_likelihood}


@torch.no_grad()
def mean_bound(objective: Objective, model: VAE, x: Tensor, num_samples: int) -> float:
    """The objective with ``num_samples`` codes per image, mean over the images, in nats."""
    batch = max(BATCH // num_samples, 1)
    parts = [objective.bound(model, images, 1.0, sample_mean, num_samples) for images in x.split(batch)]
    return torch.cat(parts).double().mean().item()


def negative_log_likelihood(model: VAE, x: Tensor, num_samples: int) -> float:
    """−log p(x) in nats, mean over the images, by importance weighting (see ``VAE.log_evidence``)."""
    at_once = max(SAMPLE_BYTES // (x.shape[1] * x.element_size()), 1)
    counts = [min(at_once, num_samples - first) for first in range(0, num_samples, at_once)]
    shares = torch.tensor(counts, dtype=x.dtype, device=x.device).div(num_samples).log().unsqueeze(-1)
    found = []
    for images in x.split(max(at_once // num_samples, 1)):
        parts = torch.stack([model.log_evidence(images, count) for count in counts])
        found.append((parts + shares).logsumexp(0))
    return -torch.cat(found).double().mean().item()


def active_units(model: VAE, x: Tensor) -> int:
    """Number of units whose E_q[code] has a variance over the images, summed over inputs, above ``ACTIVE`` of the prior's."""
    units = torch.cat([model.latent.units(model.posterior(batch)) for batch in x.split(BATCH)])
    return int((units.var(0).sum(-1) > ACTIVE * model.latent.prior_variance()).sum())


def clipped_shares(model: VAE, x: Tensor) -> dict[str, float]:
    """The share of the posteriors' positive parameters clipped to the least and to the most of ``limits``.

    Of several kinds of parameters, such as the sums, the first and the second concentrations of Beta codes, the largest share.
    """
    shares: dict[str, list[Tensor]] = {"least": [], "most": []}
    for batch in x.split(BATCH):
        with model.latent.clipped_parameters() as kinds:
            model.posterior(batch)
        for name, direction in (("least", 1), ("most", -1)):
            found = [(kind == direction).double().mean() * len(batch) / len(x) for kind in kinds]
            shares[name].append(torch.stack(found or [torch.zeros(())]))
    return {name: torch.stack(batches).sum(0).max().item() for name, batches in shares.items()}


def mean_codes(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """The latent mean of each image, and the decoder's input for it."""
    means = torch.cat([model.latent.mean(model.posterior(batch)) for batch in x.split(BATCH)])
    return means, model.latent.code(means)


def knn_accuracy(train: Images, test: Images, model: VAE, num_labels: int, neighbours: int, draws: int) -> float:
    """Share of test images whose class is the most frequent one among the nearest labelled training images.

    Latent means are compared, as the decoder gets them, by Euclidean distance. The labelled images are drawn from a random
    stream of their own.

    Args:
        train, test: binarised images with labels.
        model: gives the codes.
        num_labels: number of training images with a label; at most all.
        neighbours: number of nearest images that vote; all labelled ones if there are fewer.
        draws: of the labelled images; the accuracy is the mean over them.

    Source: Davidson et al. (2018), with 100, 600 and 1,000 labelled images.
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


@torch.no_grad()
def scores(model: VAE, train: Images, test: Images, evaluation: Evaluation) -> dict[str, float]:
    """All scores on the test images, the most telling first; accuracies only where the images have labels."""
    x = bits(test)
    found = {"nll": negative_log_likelihood(model, x, evaluation.nll_samples), **bound_terms(model, x)}
    if more := evaluation.nll_samples_more:
        found[f"nll_{more}"] = negative_log_likelihood(model, x, more)
    found["active_units"] = active_units(model, x)
    found |= {f"clipped_to_{name}": share for name, share in clipped_shares(model, x).items()}
    if train.labels is not None and test.labels is not None:
        for number in evaluation.knn_labels:
            accuracy = knn_accuracy(train, test, model, number, evaluation.knn_neighbours, evaluation.knn_draws)
            found[f"knn_accuracy_{number}"] = accuracy
    return {f"test_{name}": value for name, value in found.items()}
