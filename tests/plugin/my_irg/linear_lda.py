"""Latent Dirichlet allocation with a linear encoder and a fixed prior."""

import torch
import torch.distributions as td
from torch import Tensor, nn
from torch.nn.functional import softplus

from irg_experiments.config.types import Count, Positive
from irg_experiments.data import BagOfWords
from irg_experiments.implicit import Dirichlet
from irg_experiments.models.bag_of_words import count_matmul
from irg_experiments.models.topic_model import TopicModel


class LinearLDA(TopicModel):
    """θ ~ Dirichlet(prior), q(θ | w) = Dirichlet(prior + softplus(W · counts)).

    Args:
        num_words: V.
        topics: K.
        prior: concentration of each topic.
    """

    family = Dirichlet
    concentration: Tensor

    def __init__(self, num_words: int, topics: Count, prior: Positive = 0.5) -> None:
        super().__init__()
        self.encoder = nn.Parameter(torch.zeros(num_words, topics))
        self.topic_logits = nn.Parameter(torch.randn(num_words, topics))
        self.register_buffer("concentration", torch.full((topics,), prior), persistent=False)

    def posterior(self, x: BagOfWords) -> Dirichlet:
        """See ``TopicModel``."""
        return Dirichlet(self.concentration + softplus(count_matmul(x, self.encoder)), validate_args=False)

    def kl(self, q: Dirichlet) -> Tensor:
        """See ``TopicModel``."""
        return td.kl_divergence(q, Dirichlet(self.concentration, validate_args=False))

    def topics(self) -> Tensor:
        """See ``TopicModel``."""
        return torch.softmax(self.topic_logits, 0)
