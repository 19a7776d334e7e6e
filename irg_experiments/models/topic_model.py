"""The base class of topic models, as ``experiment=lda`` trains them."""

import abc
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.models.bag_of_words import mixture_log_likelihood
from irg_experiments.models.common import ElboTerms, Expectation, sample_mean


class TopicModel(nn.Module, abc.ABC):
    """log p(w | z) = Σ_w counts_w log(θ(z) · β_w), with a prior p(z) and a posterior q(z | w).

    A subclass implements ``posterior``, ``kl`` and ``topics``, and ``topic_weights`` unless z is θ itself. It is constructed as
    ``Model(num_words=V, **options)`` with the options of ``configs/model/<name>.yaml``; the annotations of the constructor are
    the checks of these options. A model without a divergence in closed form overrides ``elbo`` instead.

    Attributes:
        family: distribution of z under the posterior, inside any ``td.Independent``; the estimator must support it.
        prior_parameters: names, as in ``named_parameters``, of the parameters that keep their initial values for the first
            ``training.prior_burn_in_steps`` steps.
        word_parameters: names of parameters of shape (V, H) that are used in ``count_matmul`` of the batch alone, so that
            training may replace one by its rows for the words that occur.
    """

    family: ClassVar[type[Distribution]]
    prior_parameters: ClassVar[tuple[str, ...]] = ()
    word_parameters: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def posterior(self, x: BagOfWords) -> Distribution:
        """q(z | w) of each of B documents, of batch shape (B,)."""

    @abc.abstractmethod
    def kl(self, q: Any) -> Tensor:
        """KL(q ‖ prior) of each posterior in nats, shape (B,); q is a distribution that ``posterior`` returned."""

    @abc.abstractmethod
    def topics(self) -> Tensor:
        """β: the word probabilities of each topic, one topic per column, shape (V, K)."""

    def topic_weights(self, sample: Tensor) -> Tensor:
        """θ(z): the topic weights of samples of the posterior, shape (..., B, K); by default z itself."""
        return sample

    def mean_topic_weights(self, x: BagOfWords) -> Tensor:
        """The topic weights that represent each document, shape (B, K).

        By default those of the posterior's mean, θ(E_q[z]), which is the posterior mean of θ if θ(z) is linear.
        """
        return self.topic_weights(self.posterior(x).mean)

    def elbo(self, x: BagOfWords, expectation: Expectation = sample_mean, num_samples: int = 1) -> ElboTerms:
        """The evidence lower bound of each document.

        Args:
            x: B documents.
            expectation: ``expectation(f, q, num_samples)`` estimates E_q[f(z)]. Training passes an estimator's; evaluation uses
                the default, the mean over samples of the posterior's own sampler.
            num_samples: samples of z per document.
        """
        posterior, beta = self.posterior(x), self.topics()
        log_likelihood = expectation(lambda z: mixture_log_likelihood(x, self.topic_weights(z), beta), posterior, num_samples)
        return ElboTerms(log_likelihood, self.kl(posterior))

    def forward(self, x: BagOfWords, expectation: Expectation = sample_mean, num_samples: int = 1) -> ElboTerms:
        """See ``elbo``."""
        return self.elbo(x, expectation, num_samples)
