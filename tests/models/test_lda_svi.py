"""The local and the global step against direct loops, SciPy's optimiser and scikit-learn."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import torch
from scipy.sparse import csr_matrix
from sklearn.decomposition import LatentDirichletAllocation

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.models.lda_svi import CHECK_EVERY, LDASVI, digamma, newton_step, symmetric_newton_step
from tests.benchmarks.lda_step import dense_counts, zipf_corpus

NUM_WORDS, TOPICS = 60, 4


def documents(number: int = 12) -> BagOfWords:
    batch = next(zipf_corpus(NUM_WORDS, 15, number).batches(number))
    return batch._replace(counts=batch.counts.double())


def model(**options: float) -> LDASVI:
    return LDASVI(NUM_WORDS, TOPICS, **options).double()


def counts_of(batch: BagOfWords) -> np.ndarray:
    return dense_counts(batch._replace(counts=batch.counts.float()), NUM_WORDS).double().numpy()


def scikit_learn(batch: BagOfWords, **options: float) -> LatentDirichletAllocation:
    return LatentDirichletAllocation(TOPICS, random_state=0, total_samples=len(batch.offsets) - 1, **options)


def bound(lda: LDASVI, batch: BagOfWords) -> float:
    return (lda.local_step(batch).bound.sum() - lda.topics_kl()).item()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 1e-6)])
def test_digamma(dtype: torch.dtype, tolerance: float):
    x = torch.logspace(-3, 6, 2000, dtype=torch.float64).to(dtype)
    expected = scipy.special.digamma(x.double().numpy())
    np.testing.assert_allclose(digamma(x).double(), expected, rtol=tolerance, atol=tolerance)


def direct_ascent(counts: np.ndarray, log_beta: np.ndarray, alpha: np.ndarray, lda: LDASVI) -> tuple[np.ndarray, np.ndarray]:
    """γ and the expected counts (V, K) of one document, by the formulas of Hoffman et al. (2010) word by word."""
    gamma = np.ones(len(alpha))
    for iteration in range(1, lda.max_iterations + 1):
        log_theta = scipy.special.digamma(gamma) - scipy.special.digamma(gamma.sum())
        before, gamma = gamma, alpha.copy()
        for word in counts.nonzero()[0]:
            gamma += counts[word] * scipy.special.softmax(log_theta + log_beta[word])
        if iteration % CHECK_EVERY == 0 and np.abs(gamma - before).mean() < lda.tolerance:
            break
    log_theta = scipy.special.digamma(gamma) - scipy.special.digamma(gamma.sum())
    return gamma, counts[:, None] * scipy.special.softmax(log_theta + log_beta, 1)


def test_local_step_equals_a_loop_over_documents_and_words():
    batch = documents(5)
    lda = model(document_prior=0.3, topic_prior=0.1, tolerance=1e-2, max_iterations=35)
    lda.concentration.mul_(10 * torch.rand(NUM_WORDS, TOPICS, dtype=torch.float64))
    concentration = lda.concentration.numpy()
    log_beta = scipy.special.digamma(concentration) - scipy.special.digamma(concentration.sum(0))
    alpha = lda.alpha.numpy()
    found = [direct_ascent(row, log_beta, alpha, lda) for row in counts_of(batch)]
    local = lda.local_step(batch)
    np.testing.assert_allclose(local.gamma, np.stack([gamma for gamma, _ in found]), rtol=1e-6)
    statistics = np.zeros((NUM_WORDS, TOPICS))
    statistics[local.words] = local.statistics
    np.testing.assert_allclose(statistics, sum(expected for _, expected in found), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(lda.posterior(batch).concentration, local.gamma)


def test_a_document_does_not_depend_on_those_beside_it():
    corpus = zipf_corpus(NUM_WORDS, 15, 12)
    lda = LDASVI(NUM_WORDS, TOPICS)
    together = lda.local_step(next(corpus.batches(12))).gamma
    alone = torch.cat([lda.local_step(batch).gamma for batch in corpus.batches(1)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_bound_equals_scikit_learns():
    batch = documents()
    peer = scikit_learn(batch, mean_change_tol=1e-9, max_doc_update_iter=5000)
    x = csr_matrix(counts_of(batch))
    peer.partial_fit(x)
    lda = model(tolerance=1e-9, max_iterations=5000)
    lda.concentration.copy_(torch.from_numpy(peer.components_.T))
    perplexity = np.exp(-bound(lda, batch) / batch.counts.sum().item())
    assert perplexity == pytest.approx(peer.perplexity(x), rel=1e-7)


def test_training_follows_scikit_learns():
    corpus = zipf_corpus(NUM_WORDS, 15, 64)
    (everything,) = corpus.batches(64)
    peer = scikit_learn(everything, learning_offset=10.0, learning_decay=0.7)
    lda = LDASVI(NUM_WORDS, TOPICS)
    for epoch in range(10):
        for number, batch in enumerate(corpus.batches(16)):
            step = 4 * epoch + number
            peer.partial_fit(csr_matrix(counts_of(batch)))
            if step == 0:  # both go on from scikit-learn's random start
                lda.concentration.copy_(torch.from_numpy(peer.components_.T))
            else:
                lda.global_step(lda.local_step(batch), (10.0 + step + 1) ** -0.7, 64)
    perplexity = np.exp(-bound(lda, everything) / everything.counts.sum().item())
    assert perplexity == pytest.approx(peer.perplexity(csr_matrix(counts_of(everything))), rel=0.01)


def test_every_step_of_coordinate_ascent_raises_the_bound():
    """A step of size 1 with all documents is coordinate ascent, and so is a small enough Newton step on the priors."""
    batch = documents(20)
    lda = model(tolerance=1e-7, max_iterations=1000)
    bounds = []
    for _ in range(5):
        local = lda.local_step(batch)
        lda.global_step(local, 1.0, 20)
        bounds.append(bound(lda, batch))
        lda.prior_step(lda.local_step(batch), 0.3)
        bounds.append(bound(lda, batch))
    assert all(after > before for before, after in itertools.pairwise(bounds)), bounds


def dirichlet_objective(alpha: np.ndarray, mean_log: np.ndarray) -> float:
    """The mean log-density of Dirichlet(alpha) at samples whose mean logarithms are ``mean_log``."""
    return scipy.special.gammaln(alpha.sum()) - scipy.special.gammaln(alpha).sum() + ((alpha - 1) * mean_log).sum()


@pytest.mark.parametrize("start", [0.05, 1.0, 30.0])
def test_newton_steps_reach_the_optimum_of_scipy(start: float):
    mean_log = torch.distributions.Dirichlet(torch.tensor([0.2, 1.0, 3.0, 0.7])).sample((200,)).log().mean(0).double()
    best = scipy.optimize.minimize(
        lambda log_alpha: -dirichlet_objective(np.exp(log_alpha), mean_log.numpy()), np.zeros(4), options={"gtol": 1e-9}
    )
    alpha = torch.full((4,), start, dtype=torch.float64)
    for _ in range(40):
        alpha = newton_step(alpha, mean_log, 1.0)
    np.testing.assert_allclose(alpha, np.exp(best.x), rtol=1e-6)


@pytest.mark.parametrize("start", [0.05, 1.0, 30.0])
def test_symmetric_newton_steps_reach_the_optimum_of_scipy(start: float):
    samples = torch.distributions.Dirichlet(torch.full((50,), 0.4, dtype=torch.float64)).sample((30,))
    mean_log = samples.log().mean()
    best = scipy.optimize.minimize_scalar(
        lambda log_eta: -dirichlet_objective(np.full(50, np.exp(log_eta)), mean_log.numpy()),
        bounds=(-5, 5),
        method="bounded",
        options={"xatol": 1e-10},
    )
    eta = torch.tensor(start, dtype=torch.float64)
    for _ in range(40):
        eta = symmetric_newton_step(eta, 50, mean_log, 1.0)
    assert eta.item() == pytest.approx(np.exp(best.x), rel=1e-6)


def test_part_of_a_newton_step_goes_part_of_the_way():
    alpha, mean_log = torch.tensor([0.5, 1.0]), torch.tensor([-1.5, -0.9])
    whole, half = (newton_step(alpha, mean_log, factor) - alpha for factor in (0.2, 0.1))
    torch.testing.assert_close(half, whole / 2)


def test_tiny_priors_and_words_that_training_never_saw_stay_finite():
    """exp ψ(α) underflows in float32 for α below 0.011."""
    lda = LDASVI(NUM_WORDS, TOPICS, document_prior=1e-3, topic_prior=1e-3)
    lda.concentration.fill_(1e-3)
    lda.concentration[: NUM_WORDS // 2, 0] = 100.0
    local = lda.local_step(next(zipf_corpus(NUM_WORDS, 15, 12).batches(12)))
    assert all(it.isfinite().all() for it in (local.gamma, local.bound, local.statistics))
    expected = local.gamma.sum(-1) - 4e-3
    torch.testing.assert_close(expected.sum(), local.statistics.sum(), rtol=1e-4, atol=0)


def test_newton_steps_leave_a_single_concentration_as_it_is():
    """The only θ, and the only β, is 1 for any concentration."""
    assert newton_step(torch.tensor([0.5]), torch.zeros(1), 1.0).tolist() == [0.5]
    assert symmetric_newton_step(torch.tensor(0.5), 1, torch.zeros(()), 1.0).item() == 0.5
