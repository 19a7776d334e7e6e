"""The two products with a sparse count matrix that topic models need; each reads only the words that occur.

With X the B × V counts of a batch, both cost O(n K) for n non-zero entries; the dense forms cost O(B V K). The backward passes
are segmented sums over the transposed index, not scattered additions, so their results are bit-identical in every run.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from irg_experiments.data.bag_of_words import BagOfWords


def segmented_sum(rows: Tensor, matrix: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Row i of the result is Σ weights[j] · matrix[rows[j]] over j in offsets[i]..offsets[i+1]-1; zero if there is no j."""
    return embedding_bag(rows, matrix, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True)


def _of_present(x: BagOfWords, weight: Tensor) -> bool:
    """Whether a weight has rows for the words that occur alone; where all occur, both meanings agree."""
    return len(weight) != len(x.word_offsets) - 1


def _rows_of(present: Tensor, num_words: int) -> Tensor:
    """The row of each word that occurs, shape (V,); 0 for the others."""
    rows = torch.arange(len(present), device=present.device)
    return present.new_zeros(num_words).index_copy(0, present, rows)


class _CountMatmul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, *batch: Tensor) -> Tensor:
        x = BagOfWords(*batch)
        ctx.save_for_backward(*batch)
        ctx.of_present = _of_present(x, weight)
        words = _rows_of(x.present, len(x.word_offsets) - 1)[x.words] if ctx.of_present else x.words
        return segmented_sum(words, weight, x.offsets, x.counts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x = BagOfWords(*ctx.saved_tensors)
        # words that do not occur have empty segments
        offsets = torch.cat([x.word_offsets[x.present], x.word_offsets[-1:]]) if ctx.of_present else x.word_offsets
        grad_weight = segmented_sum(x.documents[x.order], grad.contiguous(), offsets, x.counts[x.order])
        return grad_weight, *(None for _ in x)


class _MixtureLogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, theta: Tensor, beta: Tensor, *batch: Tensor) -> Tensor:
        x = BagOfWords(*batch)
        probability = (theta[x.documents] * beta[x.words]).sum(-1)
        ctx.save_for_backward(theta, beta, probability, *batch)
        log_likelihood = segmented_sum(
            torch.arange(len(x.words), device=theta.device), probability.log()[:, None], x.offsets, x.counts
        )
        return log_likelihood.squeeze(-1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        theta, beta, probability, *batch = ctx.saved_tensors
        x = BagOfWords(*batch)
        ratio = grad[x.documents] * x.counts / probability
        grad_theta = segmented_sum(x.words, beta, x.offsets, ratio)
        grad_beta = segmented_sum(x.documents[x.order], theta, x.word_offsets, ratio[x.order])
        return grad_theta, grad_beta, *(None for _ in x)


def count_matmul(x: BagOfWords, weight: Tensor) -> Tensor:
    """X @ weight for the B × V counts X.

    Args:
        x: B documents over V words.
        weight: a row per word, shape (V, H), or a row per word that occurs, shape (U, H) in the order of ``x.present``.

    Returns:
        Shape (B, H); once differentiable in weight.
    """
    return _CountMatmul.apply(weight, *x)


def mixture_log_likelihood(x: BagOfWords, theta: Tensor, beta: Tensor) -> Tensor:
    """Σ_w X[d, w] log(Σ_k θ[d, k] β[w, k]), the log-likelihood of each document's words without the multinomial coefficient.

    Args:
        x: B documents over V words.
        theta: topic weights of each sample and document, (S, B, K).
        beta: word probabilities of each topic, one topic per column, (V, K).

    Returns:
        Shape (S, B), in nats; once differentiable in theta and beta.
    """
    return torch.stack([_MixtureLogLikelihood.apply(sample, beta, *x) for sample in theta.unbind()])
