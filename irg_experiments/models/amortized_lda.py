"""Encoder, topics and prior, which models of latent Dirichlet allocation with an amortised posterior share."""

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from irg_experiments.config.types import Count, Limits, Positive, Widths
from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.models.bag_of_words import count_matmul
from irg_experiments.models.common import LIMITS, check_topics, linear
from irg_experiments.models.topic_model import TopicModel


class AmortizedLDA(TopicModel):
    """log p(w | θ) = Σ_w counts_w log(θ · β_w), θ ~ Dirichlet(α), with an encoder of the raw counts of a document.

    A subclass makes its posterior of ``encode`` and its prior of ``prior_concentration``.

    Args:
        num_words: V.
        topics: K ≤ V.
        hidden: widths of the encoder's ReLU layers, whose input is the raw counts.
        prior_initial: initial value of each of the K prior concentrations α, which are learned.
        limits: smallest and largest of the positive parameters, those of the prior and of the posteriors; others are clipped.

    Raises:
        ValueError: there are too few topics for the posterior, or more than words, or ``prior_initial`` is outside ``limits``,
            where clipping has no gradient.

    Attributes:
        outputs_per_topic: how many outputs of the encoder a posterior takes for each topic.
        least_topics: with fewer there is no such posterior.
    """

    prior_parameters = ("prior_logits",)
    word_parameters = ("word_weight",)
    outputs_per_topic: ClassVar[int] = 1
    least_topics: ClassVar[int] = 1

    def __init__(
        self, num_words: int, topics: Count, hidden: Widths, prior_initial: Positive = 0.7, limits: Limits = LIMITS
    ) -> None:
        super().__init__()
        check_topics(topics, num_words, self.least_topics)
        if not limits[0] <= prior_initial <= limits[1]:
            raise ValueError(f"prior_initial must be within limits, {limits[0]:g} to {limits[1]:g}, not {prior_initial:g}.")
        self.limits = limits
        # one row per word, because only the rows of the words that occur are read
        self.word_weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(num_words, hidden[0])))
        self.word_bias = nn.Parameter(torch.zeros(hidden[0]))
        widths = (*hidden, self.outputs_per_topic * topics)
        self.layers = nn.ModuleList(linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))
        self.topic_logits = nn.Parameter(nn.init.xavier_normal_(torch.empty(num_words, topics)))
        self.prior_logits = nn.Parameter(_inverse_softplus(torch.full((topics,), prior_initial)))

    def positive(self, outputs: Tensor) -> Tensor:
        """Positive parameters of any real numbers: softplus, clipped to ``limits``."""
        return softplus(outputs).clamp(*self.limits)

    @property
    def prior_concentration(self) -> Tensor:
        """α, shape (K,)."""
        return self.positive(self.prior_logits)

    def encode(self, x: BagOfWords) -> Tensor:
        """The encoder's outputs, without an activation: shape (B, ``outputs_per_topic`` · K)."""
        h = relu(count_matmul(x, self.word_weight) + self.word_bias)
        for layer in self.layers[:-1]:
            h = relu(layer(h))
        return self.layers[-1](h)

    def topics(self) -> Tensor:
        """See ``TopicModel``."""
        return torch.softmax(self.topic_logits, 0)


def _inverse_softplus(x: Tensor) -> Tensor:
    # torch's softplus is the identity above 20, and expm1 overflows above 88
    return torch.where(x > 20, x, x.expm1().log())
