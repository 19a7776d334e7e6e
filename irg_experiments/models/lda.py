"""Latent Dirichlet allocation with an amortised Dirichlet posterior (Blei et al. 2003; Srivastava & Sutton 2017)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.implicit.distributions.dirichlet import Dirichlet, kl_dirichlet_dirichlet
from irg_experiments.models.bag_of_words import count_matmul, mixture_log_likelihood
from irg_experiments.models.common import ElboTerms, Expectation, glorot_linear


class LDA(nn.Module):
    """log p(w | θ) = Σ_w counts_w log(θ · β_w), θ ~ Dirichlet(prior), q(θ | w) = Dirichlet(encoder(counts)).

    Args:
        num_words: V.
        num_topics: K.
        hidden: widths of the encoder's ReLU layers, on raw counts.
        prior_initial: starting value of each of the K prior concentrations, which are learned.
        concentration_range: limits that every concentration, prior and posterior, is clipped to.
    """

    def __init__(
        self,
        num_words: int,
        num_topics: int,
        hidden: Sequence[int] = (300, 300, 300),
        prior_initial: float = 0.7,
        concentration_range: tuple[float, float] = (1e-3, 1e3),
    ) -> None:
        super().__init__()
        self.concentration_range = concentration_range
        # word-major, as only the rows of the words that occur are read
        self.word_weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(num_words, hidden[0])))
        self.word_bias = nn.Parameter(torch.zeros(hidden[0]))
        widths = (*hidden, num_topics)
        self.layers = nn.ModuleList(glorot_linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))
        self.topic_logits = nn.Parameter(nn.init.xavier_normal_(torch.empty(num_words, num_topics)))
        self.prior_logits = nn.Parameter(torch.full((num_topics,), prior_initial).expm1().log())

    def _dirichlet(self, logits: Tensor) -> Dirichlet:
        return Dirichlet(softplus(logits).clamp(*self.concentration_range), validate_args=False)

    @property
    def prior(self) -> Dirichlet:
        """p(θ), of K topics."""
        return self._dirichlet(self.prior_logits)

    def posterior(self, x: BagOfWords) -> Dirichlet:
        """q(θ | w) of each document, of shape (B, K)."""
        h = relu(count_matmul(x, self.word_weight) + self.word_bias)
        for layer in self.layers[:-1]:
            h = relu(layer(h))
        return self._dirichlet(self.layers[-1](h))

    def topics(self) -> Tensor:
        """β: the word probabilities of each topic, one column a topic, shape (V, K)."""
        return torch.softmax(self.topic_logits, 0)

    def elbo(self, x: BagOfWords, expectation: Expectation, num_samples: int = 1) -> ElboTerms:
        """The bound of each document; ``expectation(f, q, num_samples)`` estimates E_q[f(θ)] and carries the gradient."""
        posterior = self.posterior(x)
        beta = self.topics()
        log_likelihood = expectation(lambda theta: mixture_log_likelihood(x, theta, beta), posterior, num_samples)
        return ElboTerms(log_likelihood, kl_dirichlet_dirichlet(posterior, self.prior))
