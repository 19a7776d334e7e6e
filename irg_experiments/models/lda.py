"""Latent Dirichlet allocation with an amortised Dirichlet posterior (Blei et al. 2003; Srivastava & Sutton 2017)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from irg_experiments.config.types import Count, Limits, Positive, Widths
from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.implicit.distributions.dirichlet import Dirichlet, kl_dirichlet_dirichlet
from irg_experiments.models.bag_of_words import count_matmul
from irg_experiments.models.common import LIMITS, glorot_linear
from irg_experiments.models.topic_model import TopicModel


class LDA(TopicModel):
    """log p(w | θ) = Σ_w counts_w log(θ · β_w), θ ~ Dirichlet(prior), q(θ | w) = Dirichlet(encoder(counts)).

    Args:
        num_words: V.
        topics: K.
        hidden: widths of the encoder's ReLU layers, whose input is the raw counts.
        prior_initial: initial value of each of the K prior concentrations, which are learned.
        limits: smallest and largest concentration, of the prior and of the posteriors; others are clipped.

    Raises:
        ValueError: ``prior_initial`` is outside ``limits``, where clipping has no gradient.
    """

    family = Dirichlet
    prior_parameters = ("prior_logits",)
    word_parameters = ("word_weight",)

    def __init__(
        self, num_words: int, topics: Count, hidden: Widths, prior_initial: Positive = 0.7, limits: Limits = LIMITS
    ) -> None:
        super().__init__()
        if not limits[0] <= prior_initial <= limits[1]:
            raise ValueError(f"prior_initial must be within limits, {limits[0]:g} to {limits[1]:g}, not {prior_initial:g}.")
        self.limits = limits
        # one row per word, because only the rows of the words that occur are read
        self.word_weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(num_words, hidden[0])))
        self.word_bias = nn.Parameter(torch.zeros(hidden[0]))
        widths = (*hidden, topics)
        self.layers = nn.ModuleList(glorot_linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))
        self.topic_logits = nn.Parameter(nn.init.xavier_normal_(torch.empty(num_words, topics)))
        self.prior_logits = nn.Parameter(_inverse_softplus(torch.full((topics,), prior_initial)))

    def _dirichlet(self, logits: Tensor) -> Dirichlet:
        return Dirichlet(softplus(logits).clamp(*self.limits), validate_args=False)

    @property
    def prior(self) -> Dirichlet:
        """p(θ), over K topics."""
        return self._dirichlet(self.prior_logits)

    def posterior(self, x: BagOfWords) -> Dirichlet:
        """See ``TopicModel``; q(θ | w)."""
        h = relu(count_matmul(x, self.word_weight) + self.word_bias)
        for layer in self.layers[:-1]:
            h = relu(layer(h))
        return self._dirichlet(self.layers[-1](h))

    def kl(self, q: Dirichlet) -> Tensor:
        """See ``TopicModel``."""
        return kl_dirichlet_dirichlet(q, self.prior)

    def topics(self) -> Tensor:
        """See ``TopicModel``."""
        return torch.softmax(self.topic_logits, 0)


def _inverse_softplus(x: Tensor) -> Tensor:
    # torch's softplus is the identity above 20, and expm1 overflows above 88
    return torch.where(x > 20, x, x.expm1().log())
