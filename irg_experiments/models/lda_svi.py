"""Latent Dirichlet allocation with a variational Dirichlet per topic and per document, by natural gradients.

Sources: Blei, Ng & Jordan (2003); Hoffman, Blei & Bach (2010), "Online learning for latent Dirichlet allocation"; Hoffman,
Blei, Wang & Paisley (2013), "Stochastic variational inference".
"""

from typing import NamedTuple

import torch
from torch import Tensor

from irg_experiments.config.types import Count, Positive
from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.implicit.distributions.dirichlet import Dirichlet, kl_dirichlet_dirichlet
from irg_experiments.models.bag_of_words import segmented_sum
from irg_experiments.models.common import PriorParameter, check_topics
from irg_experiments.models.topic_model import TopicModel

# iterations of the local step between two checks of which documents have converged
CHECK_EVERY = 10
# smallest normaliser of φ, which keeps counts / normaliser finite in float32; it replaces smaller ones, in the bound as well
SMALLEST = 1e-30


class LocalStep(NamedTuple):
    """The variational posteriors of B documents and what the global step needs of them.

    Attributes:
        gamma: (B, K) concentrations of q(θ_d).
        bound: (B,) each document's term of the evidence lower bound, in nats.
        words: (U,) the words that occur, ascending.
        statistics: (U, K) Σ_d n_dw φ_dwk, the expected counts of these words in each topic.
    """

    gamma: Tensor
    bound: Tensor
    words: Tensor
    statistics: Tensor


class LDASVI(TopicModel):
    """w ~ β_z, z ~ θ_d, θ_d ~ Dirichlet(α), β_k ~ Dirichlet(η), with q(β_k) = Dirichlet(λ_k), q(θ_d) = Dirichlet(γ_d).

    A document's γ is found by coordinate ascent (``local_step``), not by an encoder, for test documents as well: γ is a local
    optimum of the document's bound, which an amortised posterior only approximates. λ follows natural gradients
    (``global_step``).

    Args:
        num_words: V.
        topics: K ≤ V.
        document_prior: α, the concentration of each topic in θ; 1/K if None. The initial value, where the prior is learned.
        topic_prior: η, the concentration of each word in β_k; 1/K if None. The initial value, where the prior is learned.
        max_iterations: of the local coordinate ascent.
        tolerance: the ascent of a document ends when the mean absolute change of its γ, in words, is below this; it is looked
            at after every tenth iteration.

    Raises:
        ValueError: there are more topics than words.
    """

    family = Dirichlet
    alpha: Tensor
    eta: Tensor
    concentration: Tensor

    def __init__(
        self,
        num_words: int,
        topics: Count,
        document_prior: PriorParameter | None = None,
        topic_prior: PriorParameter | None = None,
        max_iterations: Count = 100,
        tolerance: Positive = 1e-3,
    ) -> None:
        super().__init__()
        check_topics(topics, num_words)
        self.max_iterations, self.tolerance = max_iterations, tolerance
        self.register_buffer("alpha", torch.full((topics,), document_prior or 1 / topics))
        self.register_buffer("eta", torch.tensor(topic_prior or 1 / topics))
        # λ, one row per word; the initial value is that of Hoffman's code
        initial = torch.distributions.Gamma(100.0, 100.0).sample((num_words, topics))
        self.register_buffer("concentration", initial)

    @property
    def prior(self) -> Dirichlet:
        """p(θ), over K topics."""
        return Dirichlet(self.alpha, validate_args=False)

    def topics(self) -> Tensor:
        """See ``TopicModel``; the posterior mean of β, λ normalised."""
        return self.concentration / self.concentration.sum(0)

    def posterior(self, x: BagOfWords) -> Dirichlet:
        """See ``TopicModel``; q(θ | γ) of each document after its own coordinate ascent."""
        return Dirichlet(self.local_step(x).gamma, validate_args=False)

    def kl(self, q: Dirichlet) -> Tensor:
        """See ``TopicModel``."""
        return kl_dirichlet_dirichlet(q, self.prior)

    def topics_kl(self) -> Tensor:
        """Σ_k KL(q(β_k) ‖ p(β_k)) in nats, in float64."""
        posterior = Dirichlet(self.concentration.T.double(), validate_args=False)
        prior = Dirichlet(self.eta.double().expand_as(posterior.concentration), validate_args=False)
        return kl_dirichlet_dirichlet(posterior, prior).sum()

    def local_step(self, x: BagOfWords) -> LocalStep:
        """Coordinate ascent on γ and φ with λ fixed (Hoffman et al. 2010, algorithm 2).

        φ_dwk ∝ exp(E_q[log θ_dk] + E_q[log β_kw]),   γ_dk = α_k + Σ_w n_dw φ_dwk

        from γ = 1. The bound of a document is, φ being optimal for γ,
        Σ_w n_dw log Σ_k exp(E_q[log θ_dk] + E_q[log β_kw]) − KL(q(θ_d) ‖ p(θ_d)).
        """
        words = x.present
        expected = digamma(self.concentration[words]) - digamma(self.concentration.sum(0))
        scale = expected.amax(1)  # φ does not depend on it; the largest weight of a word is 1 and cannot underflow
        weights = (expected - scale[:, None]).exp()
        entries = torch.searchsorted(words, x.words)
        gamma = self._gamma(x, weights, entries)
        theta = digamma(gamma).exp()
        normaliser = (theta[x.documents] * weights[entries]).sum(-1).clamp(min=SMALLEST)
        log_normaliser = normaliser.log() + scale[entries] - digamma(gamma.sum(-1))[x.documents]
        bound = segmented_sum(
            torch.arange(len(entries), device=entries.device), log_normaliser[:, None], x.offsets, x.counts
        ).squeeze(-1)
        bound = bound - self.kl(Dirichlet(gamma, validate_args=False))
        offsets = torch.cat([x.word_offsets[words], x.word_offsets[-1:]])
        ratio = (x.counts / normaliser)[x.order]
        statistics = weights * segmented_sum(x.documents[x.order], theta, offsets, ratio)
        return LocalStep(gamma, bound, words, statistics)

    def _gamma(self, x: BagOfWords, weights: Tensor, entries: Tensor) -> Tensor:
        counts, documents, offsets = x.counts, x.documents, x.offsets
        rows = weights[entries]
        result = weights.new_ones(len(offsets) - 1, weights.shape[1])
        gamma, active = result, torch.arange(len(result), device=result.device)
        for iteration in range(1, self.max_iterations + 1):
            theta = gamma.digamma().exp_()
            normaliser = theta.index_select(0, documents).mul_(rows).sum(-1)
            before = gamma
            gamma = segmented_sum(entries, weights, offsets, counts / normaliser.clamp_(min=SMALLEST))
            gamma = gamma.mul_(theta).add_(self.alpha)
            if iteration == self.max_iterations:
                result[active] = gamma
            elif iteration % CHECK_EVERY == 0:
                going_on = ~((gamma - before).abs().mean(-1) < self.tolerance)
                result[active[~going_on]] = gamma[~going_on]
                if not going_on.any():
                    break
                kept = going_on[documents]
                lengths = offsets.diff()[going_on]
                offsets = torch.cat([offsets[:1], lengths.cumsum(0)])
                documents = torch.repeat_interleave(lengths)
                active, gamma = active[going_on], gamma[going_on]
                counts, entries, rows = counts[kept], entries[kept], rows[kept]
        return result

    def global_step(self, local: LocalStep, step_size: float, num_documents: int) -> None:
        """λ ← (1 − ρ) λ + ρ (η + D/B Σ_d n_dw φ_dwk), a natural gradient step (Hoffman et al. 2010, algorithm 2).

        Args:
            local: of a batch of B documents.
            step_size: ρ.
            num_documents: D, of the training set.
        """
        self.concentration.mul_(1 - step_size).add_(step_size * self.eta)
        scale = step_size * num_documents / len(local.gamma)
        self.concentration.index_add_(0, local.words, local.statistics, alpha=scale)

    def prior_step(self, local: LocalStep, step_size: float) -> None:
        """α ← α − ρ H⁻¹ ∇, and the same for η: Newton steps on the batch's bound in α, on the topics' bound in η.

        Both are steps of ``newton_step``: for α given the mean of E_q[log θ_d] over the batch, for the scalar η given the mean
        of E_q[log β_k] over topics and words (Hoffman et al. 2010; Blei et al. 2003, appendix A.4.2).
        """
        log_theta = digamma(local.gamma) - digamma(local.gamma.sum(-1, keepdim=True))
        self.alpha.copy_(newton_step(self.alpha, log_theta.mean(0), step_size))
        log_beta = digamma(self.concentration).mean() - digamma(self.concentration.sum(0)).mean()
        self.eta.copy_(symmetric_newton_step(self.eta, len(self.concentration), log_beta, step_size))


def digamma(x: Tensor) -> Tensor:
    """ψ(x) for x > 0; a tenth of the time of ``torch.digamma`` on the CPU.

    ψ(x) = ψ(y) − Σ_{i<6} 1/(x + i) with y = x + 6, and ψ(y) = ln y − 1/2y − 1/12y² + 1/120y⁴ − 1/252y⁶ + O(y⁻⁸/240).
    The six fractions are added in pairs, 1/(x + i) + 1/(x + 5 − i) = (2x + 5) / (x (x + 5) + i (5 − i)).

    Accuracy: 3e-9 or a few units in the last place of the largest term, whichever is larger.

    Source: Bernardo (1976), algorithm AS 103.
    """
    t = x * (x + 5)
    fractions = (2 * x + 5) * (t.reciprocal() + (t + 4).reciprocal() + (t + 6).reciprocal())
    y = x + 6
    r = y.reciprocal()
    s = r * r
    return y.log() - r / 2 - s * (1 / 12 - s * (1 / 120 - s / 252)) - fractions


def newton_step(concentration: Tensor, mean_log: Tensor, step_size: float) -> Tensor:
    """Concentrations after a Newton step on ln Γ(Σα) − Σ ln Γ(α_k) + Σ (α_k − 1) mean_log_k, which is concave.

    The Hessian is diagonal plus a constant, so that its inverse takes linear time (Blei et al. 2003, equation 10). No element
    becomes less than half of what it was.

    Args:
        concentration: α, shape (K,); that of a single topic stays as it is, because its θ is always 1.
        mean_log: the mean of E[log θ_k] over documents, shape (K,).
        step_size: factor of the step; 1 is Newton's.
    """
    if len(concentration) == 1:
        return concentration
    alpha, mean_log = concentration.double(), mean_log.double()
    total = alpha.sum()
    gradient = total.digamma() - alpha.digamma() + mean_log
    diagonal, constant = -torch.special.polygamma(1, alpha), torch.special.polygamma(1, total)
    shift = (gradient / diagonal).sum() / (1 / constant + (1 / diagonal).sum())
    step = -(gradient - shift) / diagonal
    return (alpha + step_size * step).maximum(alpha / 2).to(concentration.dtype)


def symmetric_newton_step(concentration: Tensor, size: int, mean_log: Tensor, step_size: float) -> Tensor:
    """``newton_step`` for ``size`` equal concentrations.

    Args:
        concentration: their value, a scalar.
        size: V, their number; the concentration of a single word stays as it is.
        mean_log: the mean of E[log β_v] over v, a scalar.
        step_size: factor of the step; 1 is Newton's.
    """
    if size == 1:
        return concentration
    eta = concentration.double()
    gradient = (size * eta).digamma() - eta.digamma() + mean_log
    curvature = size * torch.special.polygamma(1, size * eta) - torch.special.polygamma(1, eta)
    return (eta - step_size * gradient / curvature).maximum(eta / 2).to(concentration.dtype)
