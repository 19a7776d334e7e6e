"""Latent Dirichlet allocation with an amortised Dirichlet posterior (Blei et al. 2003; Srivastava & Sutton 2017)."""

from torch import Tensor

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.implicit.distributions.dirichlet import Dirichlet, kl_dirichlet_dirichlet
from irg_experiments.models.amortized_lda import AmortizedLDA


class LDA(AmortizedLDA):
    """q(θ | w) = Dirichlet(softplus(encoder(counts))); see ``AmortizedLDA`` for the options."""

    family = Dirichlet

    @property
    def prior(self) -> Dirichlet:
        """p(θ), over K topics."""
        return Dirichlet(self.prior_concentration, validate_args=False)

    def posterior(self, x: BagOfWords) -> Dirichlet:
        """See ``TopicModel``; q(θ | w)."""
        return Dirichlet(self.positive(self.encode(x)), validate_args=False)

    def kl(self, q: Dirichlet) -> Tensor:
        """See ``TopicModel``."""
        return kl_dirichlet_dirichlet(q, self.prior)
